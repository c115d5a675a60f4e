"""Adds to MongoDB, one member of a replica set on this machine: the goals of the MongoDB store."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dataset import scratch_folder
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
from programs import ROOT, Failed, LeftOut, Running, feedbackd, program, run, run_json, start

#: The paths at which the tests' installation puts the programs that the machine lacks.
MONGOD = ROOT / ".build/mongodb/mongod"
PYTHON = ROOT / ".build/pymongo/bin/python"
PYMONGO_LOOP = Path(__file__).parent / "peers/pymongo-update/pymongo_update.py"
START_TIMEOUT_SECONDS = 30

#: The size of a bulk write, which equals the number of calls in flight.
BATCH = 64
#: Enough sessions that no document gets more than some dozens of feedbacks, and few enough that the
#: warm-up writes to all of them, so that the daemon knows that they exist.
SESSIONS = 1_000
SESSIONS_OF_ONE_CALLER = 200

MAKE_REPLICA_SET = """
import sys, time, pymongo
client = pymongo.MongoClient(port=int(sys.argv[1]), directConnection=True)
members = [{"_id": 0, "host": f"127.0.0.1:{sys.argv[1]}"}]
client.admin.command("replSetInitiate", {"_id": "bench", "members": members})
while not client.admin.command("hello")["isWritablePrimary"]:
    time.sleep(0.05)
"""


@dataclass(frozen=True)
class Mongod:
    """A running mongod."""

    uri: str
    pid: int


def mongodb(settings: Settings) -> Section:
    """Adds to MongoDB."""
    section = Section("mongodb", "MongoDB, a replica set of one member on this machine")
    if "mongodb://" not in run([program("feedbackd"), "--help"]):
        raise LeftOut("this build of feedbackd has no MongoDB store")
    with replica_set() as mongod:
        section.samples = _many_callers(mongod.uri, settings) | _one_caller(mongod.uri, settings)
    many = f"{BATCH} adds in flight"
    for other, limit in {"pymongo, one caller": 10, "libmongoc, bulk": 0.8}.items():
        section.compare(
            "MongoDB", f"MongoDB, {many}", RATE, "feedbackd, 8 x 8", other, at_least(limit)
        )
    section.compare(
        "MongoDB",
        "MongoDB, one add, p50",
        P50,
        "feedbackd, 1 x 1",
        "libmongoc, update",
        at_most(1.2),
    )
    return section


def _many_callers(uri: str, settings: Settings) -> dict[str, list[Sample]]:
    # The speed of disks varies, so that there are more rounds, which are shorter.
    settings = settings.in_rounds(2 * settings.rounds - 1)
    at = ["--uri", uri, "--sessions", str(SESSIONS)]
    pymongo = [str(PYTHON), str(PYMONGO_LOOP), *at]
    bulk = [program("mongoc-loop"), *at, "--mode", "bulk", "--batch", str(BATCH)]
    return in_turn(
        {
            "feedbackd, 8 x 8": lambda: _daemon(uri, (8, 8), SESSIONS, settings),
            "pymongo, one caller": lambda: run_loop(pymongo, settings),
            "libmongoc, bulk": lambda: run_loop(bulk, settings),
        },
        settings.rounds,
    )


def _one_caller(uri: str, settings: Settings) -> dict[str, list[Sample]]:
    # A server of one member lets some writes wait until its clock's next millisecond begins, and
    # then those after it, as long as a caller stays in step: a median needs still more rounds.
    settings = settings.in_rounds(3 * settings.rounds)
    at = ["--uri", uri, "--sessions", str(SESSIONS_OF_ONE_CALLER)]
    update = [program("mongoc-loop"), *at, "--mode", "update"]
    return in_turn(
        {
            "feedbackd, 1 x 1": lambda: _daemon(uri, (1, 1), SESSIONS_OF_ONE_CALLER, settings),
            "libmongoc, update": lambda: run_loop(update, settings),
        },
        settings.rounds,
    )


def _daemon(uri: str, shape: tuple[int, int], sessions: int, settings: Settings) -> Sample:
    with Running(feedbackd(uri)) as running:
        command = ttrpc_load(running.socket, *shape, "--sessions", str(sessions))
        return under_load(running, command, settings)


def run_loop(command: list[str], settings: Settings) -> Sample:
    times = ["--warmup", str(settings.warm_up_seconds), "--seconds", str(settings.seconds)]
    return Sample(run_json([*command, *times]))


@contextmanager
def replica_set() -> Iterator[Mongod]:
    """Starts a mongod for a `with` block."""
    mongod = shutil.which("mongod") or str(MONGOD)
    if not Path(mongod).exists() or not PYTHON.exists():
        raise LeftOut("there is no mongod, or no pymongo")
    with scratch_folder() as folder, socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
        probe.close()
        data = folder / "mongod"
        data.mkdir()
        command = [mongod, "--replSet", "bench", "--bind_ip", "127.0.0.1", "--port", port]
        process = start(
            [*command, "--dbpath", str(data), "--logpath", str(folder / "log")],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_listens(process, int(port))
            run([str(PYTHON), "-c", MAKE_REPLICA_SET, port])
            uri = f"mongodb://127.0.0.1:{port}/feedbackd_bench?replicaSet=bench"
            yield Mongod(uri, process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failed("mongod does not listen")
