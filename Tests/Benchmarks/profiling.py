"""A profile of a running server: samples of its processor time, added up."""

import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import perf
from measure import CPU, LOAD_CPU, RATE, Profile, Section, Settings, Share, under_load
from perf import Event, Stack
from places import demangled, places, title
from programs import LeftOut, Running, cpu_seconds, program

FUNCTIONS = 10
TITLE_LENGTH = 80
STEPS_LEFT_OUT = "the steps are left out, since the kernel does not tell of these system calls."

RECEIVED, SYNCING, SYNCED = (
    "syscalls:sys_exit_recvfrom",
    "syscalls:sys_enter_fdatasync",
    "syscalls:sys_exit_fdatasync",
)
#: The events of a cycle, each with a description of the time until the next one.
Way = dict[str, str]
#: The cycles of a single add, and of batches of many adds.
ONE_ADD: Way = {
    RECEIVED: "received, until the writer has it and locks the file",
    "syscalls:sys_enter_fcntl": "the transaction, until all is written",
    SYNCING: "fdatasync",
    SYNCED: "synced, until the answer is sent",
    "syscalls:sys_enter_sendto": "the answer's way, the caller, and the next add's way",
}
BATCHES: Way = {
    SYNCING: "fdatasync of a batch",
    SYNCED: "its answers, and the next batch, until that is written",
}
#: The filter leaves out attempts that receive nothing.
CONDITIONS = {RECEIVED: "ret > 0"}


def add_profile(
    section: Section,
    name: str,
    running: Running,
    load: Sequence[str],
    settings: Settings,
    *,
    cpu: int | None = None,
    seconds: float | None = None,
    others: dict[str, int] | None = None,
    way: Way | None = None,
) -> None:
    """Loads a server, first alone and then under perf, and adds both results to the section.

    `others` are further processes that work for it, by name. The steps of `way` are traced if it
    is given.
    """
    sample = under_load(running, load, settings, cpu, seconds)
    seconds = seconds or settings.seconds
    rate = RATE.of(sample) / 1e6
    server = Path(running.server.command[0]).name
    processors = {server: CPU.of(sample) * rate, "the load": LOAD_CPU.of(sample) * rate}
    before = {other: cpu_seconds(pid) for other, pid in (others or {}).items()}
    command = [*load, "--warmup", "0", "--duration", str(seconds)]
    report, stacks = perf.sampled(running.pid, command, cpu)
    if not stacks:
        raise LeftOut(f"perf saw nothing of {name}")
    for other, pid in (others or {}).items():
        per_call = (cpu_seconds(pid) - before[other]) / report["calls"]
        processors[other] = per_call * RATE.of(sample)
    profile = _profile(name, CPU.of(sample), processors, stacks)
    if way is not None:
        profile.steps = _steps(running, load, way, settings)
        if not profile.steps:
            section.notes.append(f"{name}: {STEPS_LEFT_OUT}")
    section.samples[name] = [sample]
    section.profiles.append(profile)


def _steps(running: Running, load: Sequence[str], way: Way, settings: Settings) -> list[Share]:
    """Returns the median of each step of `way`; empty if the kernel lacks its tracepoints."""
    moments = list(way)
    if not perf.can_trace(moments):
        return []
    command = [*load, "--warmup", "0", "--duration", str(settings.seconds / 2)]
    _, events = perf.traced(running.pid, command, moments, CONDITIONS)
    rounds = _rounds(events, moments)
    return [
        Share(
            step,
            statistics.median(times[index] / sum(times) for times in rounds),
            statistics.median(times[index] for times in rounds),
        )
        for index, step in enumerate(way.values())
        if rounds
    ]


def _profile(
    name: str, cpu_us: float, processors: dict[str, float], stacks: list[Stack]
) -> Profile:
    """Adds the samples up by place and by function, the most first."""
    where = places(stacks, str(Path(program("feedbackd")).resolve()))
    leaves = [stack[0] for stack in stacks]
    names = demangled({leaf.symbol for leaf in leaves}, "--simplified", "--compact")
    titles = [title(leaf, names)[:TITLE_LENGTH] for leaf in leaves]
    functions = Counter(zip(titles, where, strict=True)).most_common(FUNCTIONS)
    share, us = 1 / len(stacks), cpu_us / len(stacks)
    return Profile(
        name,
        cpu_us,
        len(stacks),
        processors,
        [Share(place, n * share, n * us) for place, n in Counter(where).most_common()],
        [Share(function, n * share, n * us, place) for (function, place), n in functions],
    )


def _rounds(events: list[Event], moments: list[str]) -> list[list[float]]:
    """Returns the times of the steps of each round whose events are complete and in order."""
    rounds: list[list[float]] = []
    times: list[float] = []
    for event in events:
        if event.name == moments[0]:
            if len(times) == len(moments):
                rounds.append([end - begin for begin, end in pairwise([*times, event.at_us])])
            times = [event.at_us]
        elif 0 < len(times) < len(moments) and event.name == moments[len(times)]:
            times.append(event.at_us)
    return rounds
