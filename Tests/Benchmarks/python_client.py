"""The Python client's adds, compared with a bare socket and with pymongo."""

from collections.abc import Callable
from pathlib import Path

from dataset import scratch_folder
from durable import new_file
from measure import P50, Sample, Section, Settings, at_most, in_turn, last_cpu
from mongodb import PYMONGO_LOOP, SESSIONS_OF_ONE_CALLER, replica_set, run_loop
from mongodb import PYTHON as PYMONGO_PYTHON
from programs import ROOT, LeftOut, Running, Server, feedbackd, peer, run_json

#: The environment of clients/python/make-environment.sh, which contains protobuf.
PYTHON = ROOT / ".build/venv-clients-python/bin/python"
CALLS = Path(__file__).parent / "peers/python-calls/python_calls.py"
PYTHON_ECHO = Server("echo in Python", [str(PYTHON), str(CALLS), "server", "--socket", "SOCKET"])

MEMORY, SQLITE = "Python client, memory", "Python client, SQLite"
SOCKET, SOCKETS = "Python socket, echo-c", "Python socket, echo in Python"
PYMONGO = "pymongo, update_one"

#: In MongoDB the sessions exist beforehand, in the daemon's stores when the warm-up ends.
TO_SESSIONS = ["--sessions", str(SESSIONS_OF_ONE_CALLER)]


def python_client(settings: Settings) -> Section:
    """The Python client, one call in flight."""
    section = Section("python_client", "The Python client, one call in flight")
    if not PYTHON.exists():
        raise LeftOut("clients/python/make-environment.sh has not been run")
    cpu = last_cpu()
    section.notes.append(
        "On the memory store and with the echoes, server and client are on the same core."
    )
    contenders = {
        MEMORY: _load(feedbackd(), "client", settings, cpu),
        SOCKET: _load(peer("echo-c"), "socket", settings, cpu),
    }
    if not settings.quick:
        contenders[SOCKETS] = _load(PYTHON_ECHO, "socket", settings, cpu)
    section.samples = in_turn(contenders, settings.rounds)
    section.compare("Python", "Python add, memory, p50", P50, MEMORY, SOCKET, at_most(2.5))
    if not settings.quick:
        section.compare("", "Python add, memory, p50", P50, MEMORY, SOCKETS)

    with scratch_folder() as folder, replica_set() as mongod:
        loop = [str(PYMONGO_PYTHON), str(PYMONGO_LOOP), "--uri", mongod.uri, *TO_SESSIONS]
        section.samples |= in_turn(
            {
                SQLITE: lambda: _load(
                    feedbackd(f"sqlite:{new_file(folder)}"), "client", settings
                )(),
                PYMONGO: lambda: run_loop(loop, settings),
            },
            settings.rounds,
        )
    section.compare("Python", "Python add, SQLite, p50", P50, SQLITE, PYMONGO, at_most(0.2))
    return section


def _load(
    server: Server, mode: str, settings: Settings, cpu: int | None = None
) -> Callable[[], Sample]:
    """Returns a measurement that starts the server anew each time."""
    command = [str(PYTHON), str(CALLS), mode, *TO_SESSIONS, "--socket"]
    times = ["--warmup", str(settings.warm_up_seconds), "--seconds", str(settings.seconds)]

    def measure() -> Sample:
        with Running(server, cpu) as running:
            return Sample(run_json([*command, running.socket, *times], cpu))

    return measure
