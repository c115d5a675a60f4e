"""A real daemon for each test."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from feedbackd import FeedbackClient

ROOT = Path(__file__).resolve().parents[3]
CLIENT = Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("FEEDBACKD_PROGRAM", str(ROOT / ".build/release/feedbackd"))


class Daemon:
    """A feedbackd with its socket and its database in a folder of its own."""

    def __init__(self, folder: Path, store: str, *options: str) -> None:
        self.socket = str(folder / "feedbackd.sock")
        self.log = folder / "log"
        self._options = ["--store", store, *options]
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it listens."""
        command = [PROGRAM, "--socket", self.socket, *self._options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith("feedbackd: listening on"):
                return
        pytest.fail(f"{PROGRAM} did not start")

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        # A frozen one must be able to end.
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal_number)
        assert process.stderr is not None
        process.stderr.read()
        process.stderr.close()
        process.wait()

    def freeze(self) -> None:
        """Returns when none of its threads runs any more."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        eventually(lambda: all(_state(task) == "T" for task in tasks.iterdir()))

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def connections(self) -> int:
        """How many clients are connected."""
        rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        # The fifth column is the socket's state (3: connected), the last its path.
        return sum(row[-1] == self.socket and row[5] == "03" for row in rows)


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until it holds; for what nobody tells."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def _state(task: Path) -> str:
    # The name before it is in parentheses, and may hold anything.
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
def folder():
    """Shorter than pytest's own: a socket's path has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="feedbackd-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def stopped_daemon(folder):
    """One that keeps what it has stored, not started yet."""
    daemon = Daemon(folder, f"sqlite:{folder}/feedback.db")
    yield daemon
    daemon.stop(signal.SIGKILL)


@pytest.fixture
def durable_daemon(stopped_daemon):
    stopped_daemon.start()
    return stopped_daemon


@pytest.fixture
def daemon(folder):
    daemon = Daemon(folder, "memory:")
    daemon.start()
    yield daemon
    # At once: a memory has nothing to lose, and connected clients would be waited for.
    daemon.stop(signal.SIGKILL)


@pytest.fixture
def client(daemon):
    # Long, since the machine may be busy; what tests deadlines has its own.
    with FeedbackClient(daemon.socket, timeout=60) as client:
        yield client
