"""The programs of the benchmark: their paths, and how they are started, observed and ended."""

import json
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / ".build/release"
WORK = ROOT / ".build/bench"
PEERS = WORK / "peers"

START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 30


class LeftOut(Exception):
    """A part of the benchmark cannot be run here, for the given reason."""


class Failed(Exception):
    """A program did not do what it should; the benchmark ends."""


def program(name: str) -> str:
    """Returns the path of a program of ours or of a peer."""
    path = (RELEASE if name.startswith("feedback") else PEERS) / name
    if not os.access(path, os.X_OK):
        raise LeftOut(f"{name} is not built")
    return str(path)


@dataclass(frozen=True)
class Server:
    """A server that can be started any number of times.

    SOCKET in its command stands for the socket's path.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)


def feedbackd(
    store: str = "memory:", name: str = "feedbackd", options: Sequence[str] = ()
) -> Server:
    command = [program("feedbackd"), "--socket", "SOCKET", "--store", store]
    return Server(name, [*command, "--log-level", "error", *options])


def peer(name: str) -> Server:
    return Server(name, [program(name), "--socket", "SOCKET"])


class Running:
    """A started server that listens; ended at the end of its `with` block."""

    def __init__(self, server: Server, cpu: int | None = None, wrapper: Sequence[str] = ()):
        self.server = server
        self._folder = tempfile.TemporaryDirectory(prefix="feedbackd-bench-")
        self.socket = f"{self._folder.name}/socket"
        self._log = open(f"{self._folder.name}/log", "w+b")
        command = [self.socket if word == "SOCKET" else word for word in server.command]
        self.started_at = time.perf_counter()
        self._process = start(
            [*wrapper, *command],
            cpu,
            env=os.environ | server.environment,
            stdout=self._log,
            stderr=self._log,
        )
        self.usage: resource.struct_rusage | None = None
        try:
            self._wait_until_it_listens()
            # A wrapper has started the server as its child.
            self.pid = _child(self._process.pid) if wrapper else self._process.pid
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server as a service manager does; afterwards `usage` is its resource usage."""
        if self.usage is not None:
            return
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        pid, status = 0, 0
        while pid == 0:
            pid, status, self.usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid == 0 and time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise Failed(f"{self.server.name} did not end on SIGTERM")
            time.sleep(0.002)
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        if code not in {0, -signal.SIGTERM}:
            raise Failed(f"{self.server.name} ended with {code}: {self._output()}")
        self._log.close()
        self._folder.cleanup()

    def cpu_seconds(self) -> float:
        """Returns the processor time of all its threads, including ended ones."""
        return cpu_seconds(self.pid)

    def voluntary_switches(self) -> dict[str, int]:
        """Returns the number of times that each of its threads gave up the processor to wait."""
        switches = {}
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            switches[thread.name] = _status(thread / "status", "voluntary_ctxt_switches")
        return switches

    def memory_kib(self, key: str) -> int:
        """Returns a size in /proc/PID/status, VmRSS or RssAnon."""
        return _status(Path(f"/proc/{self.pid}/status"), key)

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Failed(f"{self.server.name} ended at once: {self._output()}")
            try:
                connect(self.socket).close()
                return
            except OSError:
                time.sleep(0.0005)
        raise Failed(f"{self.server.name} does not listen: {self._output()}")

    def _output(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()


def start(
    command: Sequence[str], cpu: int | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Starts a program, on one processor only if that is named."""

    def prepare() -> None:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    return subprocess.Popen(
        command, stdin=options.pop("stdin", subprocess.DEVNULL), preexec_fn=prepare, **options
    )


def run(command: Sequence[str], cpu: int | None = None) -> str:
    """Runs a program to its end and returns its output."""
    process = start(command, cpu, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate()
    if process.returncode != 0:
        message = errors.decode(errors="replace").strip()
        raise Failed(f"{Path(command[0]).name} failed ({process.returncode}): {message}")
    return output.decode()


def run_json(command: Sequence[str], cpu: int | None = None) -> dict[str, Any]:
    """Runs a load program and returns its report; no call may have failed."""
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-", suffix=".json") as file:
        run([*command, "--json", file.name], cpu)
        report: dict[str, Any] = json.load(file)
    if report["errors"] or not report["calls"]:
        codes = report.get("errors_by_code", "")
        name = Path(command[0]).name
        raise Failed(f"{name}: {report['calls']} calls, {report['errors']} failed {codes}")
    return report


def cpu_seconds(pid: int) -> float:
    """Returns the processor time of a process, including that of threads that have ended."""
    # The clock of another process: see clock_getcpuclockid(3) and the kernel's CPUCLOCK_SCHED.
    return time.clock_gettime((~pid << 3) | 2)


def connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.connect(path)
    except OSError:
        client.close()
        raise
    return client


def _status(file: Path, key: str) -> int:
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0])
    raise Failed(f"{file} has no {key}")


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
