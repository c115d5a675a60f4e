"""A cursor far behind: what the adds pay for it, and the daemon's memory meanwhile."""

import json
from pathlib import Path
from typing import Any

from dataset import Shape, copy, scratch_folder
from measure import (
    RATE,
    Result,
    Sample,
    Section,
    Settings,
    Spread,
    at_least,
    at_most,
    in_turn,
    ttrpc_load,
    under_load,
)
from programs import Failed, Running, feedbackd, program, run

ROWS = 200_000
SHAPE = Shape(ROWS, has_big_session=False)
#: Every feedback is told of, to a log whose level leaves the lines out: the cheapest receiver.
CURSOR = """\
hooks:
  order: [late]
  late:
    kind: notification
    on: [up, down, none]
"""
WITHOUT, LATE = "feedbackd, no cursor", "feedbackd, a cursor that starts late"


def late_cursor(settings: Settings) -> Section:
    """Adds while a cursor with 200,000 changes behind catches up, 8 x 8, SQLite."""
    section = Section("late_cursor", f"Adds while a cursor reads {ROWS:,} changes, 8 x 8, SQLite")
    # The goal is nearer to 1 than the speed of disks is steady: there are more rounds, and shorter.
    settings = settings.in_rounds(3 * settings.rounds)
    memory: list[float] = []
    behind: list[float] = []
    with scratch_folder() as folder:
        config = folder / "hooks.yaml"
        config.write_text(CURSOR)
        contenders = {
            WITHOUT: lambda: _without(settings),
            LATE: lambda: _late(config, settings, memory, behind),
        }
        section.samples = in_turn(contenders, settings.rounds)
    what = f"adds while a cursor is {ROWS:,} changes behind"
    section.compare("cursors", what, RATE, LATE, WITHOUT, at_least(0.95))
    _add(section, "the most memory meanwhile, VmHWM", "MiB", memory, 64)
    _add(section, "changes that are still behind at the end", "", behind)
    return section


def _without(settings: Settings) -> Sample:
    with copy(SHAPE) as path, Running(feedbackd(f"sqlite:{path}")) as running:
        return under_load(running, ttrpc_load(running.socket, 8, 8), settings)


def _late(config: Path, settings: Settings, memory: list[float], behind: list[float]) -> Sample:
    """Puts the cursor to the beginning of the log, and loads the daemon while it reads."""
    options = ["--config", str(config)]
    with copy(SHAPE) as path, Running(feedbackd(f"sqlite:{path}", options=options)) as running:
        run([program("feedbackctl"), "--socket", running.socket, "destinations", "rewind", "late"])
        sample = under_load(running, ttrpc_load(running.socket, 8, 8), settings)
        left = status(running)["destinations"][0]["behind_changes"]
        if left == 0:
            raise Failed("the cursor had caught up before the load ended")
        behind.append(left)
        memory.append(running.memory_kib("VmHWM") / 1024)
    return sample


def status(running: Running) -> dict[str, Any]:
    """Returns what `feedbackctl status` tells of a daemon."""
    output = run([program("feedbackctl"), "--socket", running.socket, "status", "--json"])
    document: dict[str, Any] = json.loads(output)
    return document


def _add(
    section: Section, what: str, unit: str, values: list[float], limit: float | None = None
) -> None:
    goal = None if limit is None else at_most(limit)
    section.results.append(Result("cursors", what, unit, Spread.of(values), goal))
