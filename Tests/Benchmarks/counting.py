"""Counts of a server's calls of the C library and the kernel."""

import dataclasses
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import ttrpc_load
from programs import WORK, Failed, Running, Server, run_json

SOURCE = Path(__file__).with_name("count-calls.c")


def counted(server: Server, shape: tuple[int, int], *options: str) -> tuple[int, dict[str, int]]:
    """Loads a server whose calls of the C library are counted.

    Returns the number of calls that it answered, and the counts of its whole life by name.
    """
    with tempfile.NamedTemporaryFile(prefix="feedbackd-bench-") as file:
        environment = {"LD_PRELOAD": _library(), "COUNT_CALLS_FILE": file.name}
        calls = _load(dataclasses.replace(server, environment=environment), shape, options)
        return calls, json.load(file)


def traced(server: Server, shape: tuple[int, int], *options: str) -> tuple[int, dict[str, int]]:
    """Returns the same as `counted` for the system calls of all its threads."""
    with tempfile.NamedTemporaryFile("r", prefix="feedbackd-bench-") as file:
        wrapper = ["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", file.name]
        calls = _load(server, shape, options, wrapper)
        lines = [line.split() for line in file]
    rows = [words for words in lines if len(words) == 2 and words[0].isdigit()]
    return calls, {name: int(count) for count, name in rows if name != "total"}


def switched(server: Server, shape: tuple[int, int], *options: str) -> tuple[int, dict[str, int]]:
    """Returns the same as `counted` for the number of times that its threads waited."""
    with Running(server) as running:
        calls = run_json(ttrpc_load(running.socket, *shape, "--warmup", "0", *options))["calls"]
    if running.usage is None:
        raise Failed(f"{server.name} left no account of what it used")
    return calls, {"waits": running.usage.ru_nvcsw}


def _load(
    server: Server,
    shape: tuple[int, int],
    options: Sequence[str],
    wrapper: Sequence[str] = (),
) -> int:
    with Running(server, wrapper=wrapper) as running:
        command = ttrpc_load(running.socket, *shape, "--warmup", "0", *options)
        return int(run_json(command)["calls"])


def _library() -> str:
    """Returns the path of the counting library, compiling it if it is not up to date."""
    library = WORK / "count-calls.so"
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        WORK.mkdir(parents=True, exist_ok=True)
        command = ["gcc", "-O2", "-fPIC", "-shared", "-o", str(library), str(SOURCE)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            raise Failed(f"gcc: {result.stderr.strip()}")
    return str(library)
