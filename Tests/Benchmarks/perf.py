"""Observation of a process with Linux's perf: samples of its processor time, and events."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs import LeftOut, run, run_json

#: The whole machine is recorded: a clock of one process alone is set and stopped at each switch of
#: threads, which doubles the time of a short call. perf keeps no copies of the programs.
RECORD = ["perf", "record", "--quiet", "--no-buildid-cache", "--all-cpus"]
#: A software event, since virtual machines often lack the processor's counters.
CLOCK = "cpu-clock"
#: The number of samples per second and processor; odd, so that nothing else runs in step.
FREQUENCY = 1_997
#: The symbol of a function whose name is not in the file.
UNKNOWN = "[unknown]"


@dataclass(frozen=True)
class Frame:
    """A function and its file; the kernel's is `[kernel.kallsyms]`."""

    symbol: str
    file: str

    @property
    def is_kernel(self) -> bool:
        return self.file.startswith("[kernel") or self.file.endswith(".ko")


#: The function that ran, and those that called it, innermost first.
Stack = list[Frame]


@dataclass(frozen=True)
class Event:
    """An event of a thread, with its time."""

    thread: int
    at_us: float
    name: str


def require() -> None:
    """Raises LeftOut unless perf is installed and may record the kernel, too."""
    if shutil.which("perf") is None:
        raise LeftOut("there is no perf, which Debian's package linux-perf has")
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-") as file:
        # Restricted to the kernel, perf fails instead of silently recording less.
        command = [*RECORD, "-e", f"{CLOCK}:k", "-o", file.name, "--", "true"]
        if subprocess.run(command, capture_output=True).returncode != 0:
            raise LeftOut("perf may not record here (see /proc/sys/kernel/perf_event_paranoid)")


def sampled(
    pid: int, load: Sequence[str], cpu: int | None = None
) -> tuple[dict[str, Any], list[Stack]]:
    """Runs a load and samples a process; returns the load's report and the stacks."""
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-") as file:
        options = ["-e", CLOCK, "-F", str(FREQUENCY), "-g", "-o", file.name]
        report = run_json([*RECORD, *options, "--", *_on(cpu, load)])
        return report, list(_stacks(_script(file.name, pid, "ip,sym,dso", "--no-inline")))


def can_trace(tracepoints: Sequence[str]) -> bool:
    """Returns true if the kernel provides the tracepoints here."""
    folders = [Path("/sys/kernel/tracing/events", *point.split(":")) for point in tracepoints]
    return all(os.access(folder / "id", os.R_OK) for folder in folders)


def traced(
    pid: int, load: Sequence[str], tracepoints: Sequence[str], conditions: dict[str, str]
) -> tuple[dict[str, Any], list[Event]]:
    """Runs a load and records a process's events in order, some only on a condition."""
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-") as file:
        command = [*RECORD, "-o", file.name]
        for name in tracepoints:
            command += ["-e", name]
            command += ["--filter", conditions[name]] if name in conditions else []
        report = run_json([*command, "--", *load])
        lines = _script(file.name, pid, "tid,time,event", "--ns").splitlines()
        return report, list(map(_event, lines))


def _script(file: str, pid: int, fields: str, *options: str) -> str:
    """Returns the recorded fields of a process as text."""
    return run(["perf", "script", "-i", file, "--pid", str(pid), "-F", fields, *options])


def _on(cpu: int | None, command: Sequence[str]) -> list[str]:
    """Returns the command for one processor, which perf itself does not share."""
    return [*([] if cpu is None else ["taskset", "-c", str(cpu)]), *command]


def _stacks(output: str) -> Iterator[Stack]:
    """Reads blocks of lines such as `    12e6333 swift_retain (/usr/bin/feedbackd)`."""
    for block in output.split("\n\n"):
        lines = [line.split(None, 1)[1] for line in block.splitlines() if line.strip()]
        if lines:
            yield [_frame(line) for line in lines]


def _frame(line: str) -> Frame:
    # Names of C++ have blanks and parentheses.
    symbol, _, file = line.rpartition(" (")
    return Frame(symbol, file.removesuffix(")"))


def _event(line: str) -> Event:
    """Reads `30023 15801.412701123: syscalls:sys_exit_fdatasync:`."""
    thread, seconds, name = line.split()[:3]
    return Event(int(thread), float(seconds.rstrip(":")) * 1e6, name.rstrip(":"))
