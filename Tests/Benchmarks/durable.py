"""Adds to SQLite, each fsynced before its answer: goal 3."""

import os
from pathlib import Path

from counting import counted
from dataset import scratch_folder
from measure import (
    P50,
    RATE,
    Sample,
    Section,
    Settings,
    at_least,
    at_most,
    fresh,
    in_turn,
    ttrpc_load,
)
from programs import Running, feedbackd, program, run_json

#: The bytes of a page of 4,096 bytes and its header in SQLite's log.
APPENDED_BYTES = "4120"

MANY, ONE = "feedbackd, 8 x 8", "feedbackd, 1 x 1"
LOOP, LOOP_OF_ONE = "C loop", "C loop, one by one"
#: Writes to a file that grows, and to one that has its length already, as SQLite's log mostly has.
APPEND, OVERWRITE = "bare fdatasync, appending", "bare fdatasync, overwriting"


def durable(settings: Settings) -> Section:
    """Goal 3: adds to SQLite, each fsynced before its answer."""
    section = Section("durable", "Adds to SQLite with synchronous=FULL")
    with scratch_folder() as folder:
        batch = _batch_size(folder)
        section.notes.append(
            f"With 64 calls in flight one transaction of feedbackd holds {batch:.1f} adds in the"
            " mean; the C loop writes batches of that size."
        )
        # The loops write to the daemon's own tables.
        template = folder / "template.db"
        with Running(feedbackd(f"sqlite:{template}")):
            pass
        warm_up = ["--warmup", str(settings.warm_up_seconds)]
        loop = ["sqlite-loop", *warm_up, "--template", str(template)]
        append = ["fdatasync-loop", "--bytes", APPENDED_BYTES]
        contenders = {
            MANY: lambda: _daemon(folder, (8, 8), settings),
            LOOP: lambda: _loop(folder, settings, *loop, "--batch", f"{batch:.0f}", "--database"),
            ONE: lambda: _daemon(folder, (1, 1), settings),
            APPEND: lambda: _loop(folder, settings, *append, "--wrap", "0", "--file"),
            OVERWRITE: lambda: _loop(folder, settings, *append, "--file"),
            LOOP_OF_ONE: lambda: _loop(folder, settings, *loop, "--batch", "1", "--database"),
        }
        section.samples = in_turn(contenders, settings.rounds)
    section.compare("3", "SQLite, 64 adds in flight", RATE, MANY, LOOP, at_least(0.8))
    section.compare("3", "SQLite, one add, p50", P50, ONE, APPEND, at_most(1.5))
    section.compare("", "SQLite, one add, p50", P50, ONE, OVERWRITE)
    section.compare("", "SQLite, one add, p50", P50, ONE, LOOP_OF_ONE)
    return section


def _daemon(folder: Path, shape: tuple[int, int], settings: Settings) -> Sample:
    """Loads a daemon with a new database."""
    server = feedbackd(f"sqlite:{new_file(folder)}")
    return fresh(server, ttrpc_load, shape, settings)()


def _loop(folder: Path, settings: Settings, name: str, *options: str) -> Sample:
    """Runs a program of one thread; the last option is the one that names its new file."""
    command = [program(name), *options, str(new_file(folder))]
    return Sample(run_json([*command, "--seconds", str(settings.seconds)]))


def new_file(folder: Path) -> Path:
    """Returns the path of a new file, after removing the files of the former run."""
    for rest in folder.glob("file*"):
        rest.unlink()
    # Unwritten data of the former run must not delay the next one.
    os.sync()
    return folder / "file"


def _batch_size(folder: Path) -> float:
    """Returns the mean number of adds that feedbackd stores in one transaction."""
    server = feedbackd(f"sqlite:{new_file(folder)}")
    calls, counts = counted(server, (8, 8), "--duration", "1")
    return calls / counts["transactions"]
