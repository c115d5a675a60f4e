"""Memory at rest, and time to the first answer: goal 5."""

import resource
import subprocess
import time

import ttrpc
from dataset import Shape, copy, scratch_folder
from measure import Result, Section, Settings, Spread, at_most
from programs import Failed, LeftOut, Running, connect, feedbackd, program, start

CONNECTIONS = 10_000
QUICK_CONNECTIONS = 2_000
ROWS = 1_000_000
#: Longer than Dispatch keeps idle threads.
REST_SECONDS = 7
QUICK_REST_SECONDS = 2
STARTS = 9
QUICK_STARTS = 3


def footprint(settings: Settings) -> Section:
    """Goal 5: memory at rest, and time to start."""
    section = Section("footprint", "Memory at rest, and time to start")
    connections = QUICK_CONNECTIONS if settings.quick else CONNECTIONS
    rest = QUICK_REST_SECONDS if settings.quick else REST_SECONDS
    allow_descriptors(connections + 100)
    with scratch_folder() as folder:
        with Running(feedbackd(f"sqlite:{folder}/idle.db")) as running:
            with connect(running.socket) as client:
                ttrpc.metrics_total(client)
            time.sleep(rest)
            idle = running.memory_kib("VmRSS")
            own = running.memory_kib("RssAnon")
            held = memory_held(running, connections, rest)
    _add(section, "idle daemon, VmRSS", "MiB", [idle / 1024], 20)
    _add(section, "of it not mapped from files, RssAnon", "MiB", [own / 1024])
    per_connection = (held - idle) / connections
    _add(section, f"each of {connections:,} idle connections", "KiB", [per_connection], 8)

    count = QUICK_STARTS if settings.quick else STARTS
    with copy(Shape(ROWS)) as path:
        times = [_start_to_first_answer(path) for _ in range(count)]
    _add(section, f"start to first answer, {ROWS:,} rows", "ms", times, 50)
    return section


def _add(
    section: Section, what: str, unit: str, values: list[float], limit: float | None = None
) -> None:
    goal = None if limit is None else at_most(limit)
    section.results.append(Result("5" if goal else "", what, unit, Spread.of(values), goal))


def allow_descriptors(count: int) -> None:
    """Raises the limit of open files, which the programs inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise LeftOut(f"{count} open files are needed, and the hard limit is {hard}")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def memory_held(running: Running, connections: int, rest: float) -> int:
    """Returns the daemon's memory with idle connections, each of which has made one call."""
    command = [program("feedbackd-bench"), "hold", "--socket", running.socket]
    holder = start(
        [*command, "--connections", str(connections)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        if holder.stdout is None or holder.stdout.readline() != b"ready\n":
            raise Failed("the connections could not be held")
        time.sleep(rest)
        memory = running.memory_kib("VmRSS")
        holder.communicate()
    return memory


def _start_to_first_answer(path: str) -> float:
    """Returns the milliseconds from before the start of the process to its first answer."""
    with Running(feedbackd(f"sqlite:{path}")) as running, connect(running.socket) as client:
        if ttrpc.metrics_total(client) != ROWS:
            raise Failed("the first answer is wrong")
        return (time.perf_counter() - running.started_at) * 1000
