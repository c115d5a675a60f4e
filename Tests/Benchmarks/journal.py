"""Adds that the journal beside MongoDB acknowledges, and how fast MongoDB gets them."""

import time
from pathlib import Path

from cursors import status
from dataset import scratch_folder
from durable import new_file
from measure import (
    P50,
    RATE,
    Sample,
    Section,
    Settings,
    at_least,
    at_most,
    in_turn,
    ttrpc_load,
    under_load,
)
from mongodb import SESSIONS, SESSIONS_OF_ONE_CALLER, replica_set
from programs import Failed, Running, Server, feedbackd, run, run_json

LOCAL, DIRECT, SQLITE = "local, 1 x 1", "majority, 1 x 1", "SQLite, 1 x 1"
REPLICATED, MANY_DIRECT = "local, 8 x 8, until MongoDB has all", "majority, 8 x 8"
#: Enough that the time to ask for the status does not count.
ADDS = 60_000
QUICK_ADDS = 15_000
REPLICATION_TIMEOUT_SECONDS = 120


def journal(settings: Settings) -> Section:
    """Adds to MongoDB with `acknowledge: local`."""
    section = Section("journal", "Adds to MongoDB that the journal acknowledges")
    with replica_set() as mongod, scratch_folder() as folder:
        _one_caller(section, mongod.uri, folder, settings)
        _many_callers(section, mongod.uri, folder, settings)
    return section


def _one_caller(section: Section, uri: str, folder: Path, settings: Settings) -> None:
    # See mongodb.py: the median of a single caller of MongoDB's needs more rounds.
    settings = settings.in_rounds(3 * settings.rounds)

    def measure(server: Server) -> Sample:
        with Running(server) as running:
            return under_load(running, _load(running, 1, SESSIONS_OF_ONE_CALLER), settings)

    contenders = {
        LOCAL: lambda: measure(_local(uri, folder)),
        DIRECT: lambda: measure(feedbackd(uri)),
        SQLITE: lambda: measure(feedbackd(f"sqlite:{new_file(folder)}")),
    }
    section.samples |= in_turn(contenders, settings.rounds)
    what = "one add, acknowledged by the journal"
    section.compare("journal", f"{what}, p50", P50, LOCAL, SQLITE, at_most(1.25))
    section.compare("journal", what, RATE, LOCAL, DIRECT, at_least(3))


def _many_callers(section: Section, uri: str, folder: Path, settings: Settings) -> None:
    adds = QUICK_ADDS if settings.quick else ADDS

    def measure(server: Server) -> Sample:
        """Adds, and counts the time until MongoDB has everything."""
        with Running(server) as running:
            load = _load(running, 8, SESSIONS)
            run_json([*load, "--warmup", "0", "--duration", str(settings.warm_up_seconds)])
            _wait_for_replication(running)
            begin = time.monotonic()
            report = run_json([*load, "--warmup", "0", "--calls", str(adds)])
            _wait_for_replication(running)
            seconds = time.monotonic() - begin
        return Sample(report | {"calls_per_second": report["calls"] / seconds})

    contenders = {
        REPLICATED: lambda: measure(_local(uri, folder)),
        MANY_DIRECT: lambda: measure(feedbackd(uri)),
    }
    section.samples |= in_turn(contenders, settings.rounds)
    what = f"{adds:,} adds, until MongoDB has them from the journal"
    section.compare("journal", what, RATE, REPLICATED, MANY_DIRECT, at_least(0.8))


def _local(uri: str, folder: Path) -> Server:
    """Returns feedbackd with a new journal."""
    return feedbackd(
        uri, options=["--acknowledge", "local", "--alerts-file", str(new_file(folder))]
    )


def _load(running: Running, connections: int, sessions: int) -> list[str]:
    return ttrpc_load(running.socket, connections, connections, "--sessions", str(sessions))


def _wait_for_replication(running: Running) -> None:
    deadline = time.monotonic() + REPLICATION_TIMEOUT_SECONDS
    while status(running)["unreplicated"] != 0:
        if time.monotonic() > deadline:
            raise Failed("MongoDB did not get everything from the journal in time")
