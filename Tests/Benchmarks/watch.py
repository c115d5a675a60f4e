"""Watching changes: how fast they are read from SQLite, and how soon a new one comes."""

import json

from dataset import Shape, copy, scratch_folder
from durable import new_file
from measure import P50, Result, Sample, Section, Settings, Spread, at_least, at_most
from programs import Failed, Running, feedbackd, program, run, run_json

ROWS = 1_000_000
QUICK_ROWS = 200_000
ADDS = 5_000
QUICK_ADDS = 1_000
SAMPLES = "from the acknowledgement to the watcher"


def watch(settings: Settings) -> Section:
    """Changes to one watcher by ttrpc, from SQLite."""
    section = Section("watch", "Changes to one watcher by ttrpc, from SQLite")
    rows = QUICK_ROWS if settings.quick else ROWS
    with copy(Shape(rows)) as path, Running(feedbackd(f"sqlite:{path}")) as running:
        rates = [_replay(running, rows) for _ in range(settings.rounds)]
    what = f"replay of {rows:,} changes"
    section.results.append(Result("watch", what, "/s", Spread.of(rates), at_least(100_000)))

    adds = QUICK_ADDS if settings.quick else ADDS
    with scratch_folder() as folder:
        server = feedbackd(f"sqlite:{new_file(folder)}")
        with Running(server) as running:
            section.samples[SAMPLES] = [_arrivals(running, adds) for _ in range(settings.rounds)]
    times = [P50.of(sample) for sample in section.samples[SAMPLES]]
    what = f"{SAMPLES}, p50"
    section.results.append(Result("watch", what, P50.unit, Spread.of(times), at_most(1_000)))
    return section


def _command(running: Running) -> list[str]:
    return [program("feedbackd-bench"), "watch", "--socket", running.socket]


def _replay(running: Running, rows: int) -> float:
    """Returns the number of changes per second of a watcher that reads all that is there."""
    report = json.loads(run(_command(running)))
    if report["changes"] != rows:
        raise Failed(f"the watcher got {report['changes']} of {rows} changes")
    return float(report["changes_per_second"])


def _arrivals(running: Running, adds: int) -> Sample:
    """Adds one after the other, and waits for each to arrive at a watcher."""
    return Sample(run_json([*_command(running), "--adds", str(adds)]))
