"""Watching a process with Linux's perf: samples of where its processor time goes, and events."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs import LeftOut, run, run_json

#: Of the whole machine: a clock of one process alone is set and stopped at each switch of threads,
#: which doubles the time of a short call. And no copies of all programs that it sees.
RECORD = ["perf", "record", "--quiet", "--no-buildid-cache", "--all-cpus"]
#: Virtual machines often have no counters of the processor's.
CLOCK = "cpu-clock"
#: Samples per second of each processor. Odd, so that nothing else keeps step with them.
FREQUENCY = 1_997
#: The symbol of a function whose name the file does not have.
UNKNOWN = "[unknown]"


@dataclass(frozen=True)
class Frame:
    """A function, and the file that has it; the kernel's is `[kernel.kallsyms]`."""

    symbol: str
    file: str

    @property
    def is_kernel(self) -> bool:
        return self.file.startswith("[kernel") or self.file.endswith(".ko")


#: The function that ran, and those that called it, innermost first.
Stack = list[Frame]


@dataclass(frozen=True)
class Event:
    """Something that a thread did, at which moment."""

    thread: int
    at_us: float
    name: str


def require() -> None:
    """Throws unless perf is there and may watch the kernel's part too."""
    if shutil.which("perf") is None:
        raise LeftOut("there is no perf, which Debian's package linux-perf has")
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-") as file:
        # Asked for the kernel alone, it does not quietly make do with less.
        command = [*RECORD, "-e", f"{CLOCK}:k", "-o", file.name, "--", "true"]
        if subprocess.run(command, capture_output=True).returncode != 0:
            raise LeftOut("perf may not record here (see /proc/sys/kernel/perf_event_paranoid)")


def sampled(
    pid: int, load: Sequence[str], cpu: int | None = None
) -> tuple[dict[str, Any], list[Stack]]:
    """Runs a load and samples what a process does meanwhile."""
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-") as file:
        options = ["-e", CLOCK, "-F", str(FREQUENCY), "-g", "-o", file.name]
        report = run_json([*RECORD, *options, "--", *_on(cpu, load)])
        return report, list(_stacks(_script(file.name, pid, "ip,sym,dso", "--no-inline")))


def can_trace(tracepoints: Sequence[str]) -> bool:
    """Whether the kernel tells of these events here."""
    folders = [Path("/sys/kernel/tracing/events", *point.split(":")) for point in tracepoints]
    return all(os.access(folder / "id", os.R_OK) for folder in folders)


def traced(
    pid: int, load: Sequence[str], tracepoints: Sequence[str], conditions: dict[str, str]
) -> tuple[dict[str, Any], list[Event]]:
    """Runs a load and records a process's events, in their order; some on a condition."""
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-") as file:
        command = [*RECORD, "-o", file.name]
        for name in tracepoints:
            command += ["-e", name]
            command += ["--filter", conditions[name]] if name in conditions else []
        report = run_json([*command, "--", *load])
        lines = _script(file.name, pid, "tid,time,event", "--ns").splitlines()
        return report, list(map(_event, lines))


def _script(file: str, pid: int, fields: str, *options: str) -> str:
    """What was recorded of a process."""
    return run(["perf", "script", "-i", file, "--pid", str(pid), "-F", fields, *options])


def _on(cpu: int | None, command: Sequence[str]) -> list[str]:
    """The command on one processor; perf itself is not to share that."""
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
