"""Adds to SQLite, each fsynced before its answer: goal 3."""

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

#: As many as the add's one page and its header in SQLite's log.
APPENDED_BYTES = "4120"


def durable(settings: Settings) -> Section:
    """Goal 3: adds to SQLite, each fsynced before its answer."""
    section = Section("durable", "Adds to SQLite with synchronous=FULL")
    with scratch_folder() as folder:
        batch = _batch_size(folder)
        section.notes.append(
            f"With 64 calls in flight one transaction of feedbackd holds {batch:.1f} adds in the"
            " mean; the C loop writes batches of that size."
        )
        # The loop writes to the daemon's own tables.
        template = folder / "template.db"
        with Running(feedbackd(f"sqlite:{template}")):
            pass
        loop = ["--warmup", str(settings.warm_up_seconds), "--batch", f"{batch:.0f}"]
        loop += ["--template", str(template), "--database"]
        append = ["--bytes", APPENDED_BYTES, "--file"]
        contenders = {
            "feedbackd, 8 x 8": lambda: _daemon(folder, (8, 8), settings),
            "C loop": lambda: _loop(folder, settings, "sqlite-loop", *loop),
            "feedbackd, 1 x 1": lambda: _daemon(folder, (1, 1), settings),
            "bare fdatasync": lambda: _loop(folder, settings, "fdatasync-loop", *append),
        }
        section.samples = in_turn(contenders, settings.rounds)
    section.compare(
        "3", "SQLite, 64 adds in flight", RATE, "feedbackd, 8 x 8", "C loop", at_least(0.8)
    )
    section.compare(
        "3", "SQLite, one add, p50", P50, "feedbackd, 1 x 1", "bare fdatasync", at_most(1.5)
    )
    return section


def _daemon(folder: Path, shape: tuple[int, int], settings: Settings) -> Sample:
    """Loads a daemon with a new database."""
    server = feedbackd(f"sqlite:{_new_file(folder)}")
    return fresh(server, ttrpc_load, shape, settings)()


def _loop(folder: Path, settings: Settings, name: str, *options: str) -> Sample:
    """Runs a program of one thread; the last option is the one that names its new file."""
    command = [program(name), *options, str(_new_file(folder))]
    return Sample(run_json([*command, "--seconds", str(settings.seconds)]))


def _new_file(folder: Path) -> Path:
    """A file that is not there, nor any rest of the former run."""
    for rest in folder.glob("file*"):
        rest.unlink()
    return folder / "file"


def _batch_size(folder: Path) -> float:
    """How many adds one fdatasync of the log makes durable."""
    server = feedbackd(f"sqlite:{_new_file(folder)}")
    calls, counts = counted(server, (8, 8), "--duration", "1")
    return calls / counts["syncs"]
