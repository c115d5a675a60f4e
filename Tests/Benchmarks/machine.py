"""A description of the benchmark's machine, tools and commit."""

import datetime
import os
import platform
import shutil
import subprocess
from pathlib import Path

from dataset import filesystem
from programs import ROOT, WORK


def describe() -> dict[str, str]:
    """Returns everything that a reader needs to judge the figures, by its name for people."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": _line("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.1f} GiB",
        "kernel": platform.release(),
        "file system": filesystem(WORK),
        "swift": _output("swift", "--version").split(" (")[0].removeprefix("Swift version "),
        "gcc": _output("gcc", "-dumpfullversion"),
        "go": _output("go", "version").removeprefix("go version go").split(" ")[0],
        "libgrpc++": _output("pkg-config", "--modversion", "grpc++"),
        "sqlite": _output("sqlite3", "--version").split(" ")[0],
        "libmongoc": _output("pkg-config", "--modversion", "libmongoc-1.0"),
        "perf": _output("perf", "--version").removeprefix("perf version "),
        "mongod": _output("mongod", "--version").removeprefix("db version v"),
    }


def load_average() -> str:
    """Returns the mean number of runnable threads over the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def _commit() -> str:
    commit = _output("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    changes = _output("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{commit} with changes" if changes else commit


def _line(file: str, key: str) -> str:
    for line in Path(file).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"


def _output(*command: str) -> str:
    """Returns the first line that a program prints; empty if it is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    result = subprocess.run(command, capture_output=True, text=True)
    lines = result.stdout.strip().splitlines()
    return lines[0] if result.returncode == 0 and lines else ""
