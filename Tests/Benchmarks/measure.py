"""Measurements in turn: contenders run A B A B …, and ratios are of runs next to each other."""

import os
import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from programs import Running, Server, program, run_json


@dataclass(frozen=True)
class Settings:
    """The number and the length of the measurements."""

    quick: bool
    rounds: int
    seconds: float
    warm_up_seconds: float

    @staticmethod
    def of(quick: bool) -> "Settings":
        if quick:
            return Settings(quick, rounds=3, seconds=0.6, warm_up_seconds=0.2)
        return Settings(quick, rounds=5, seconds=2, warm_up_seconds=0.5)

    def in_rounds(self, rounds: int) -> "Settings":
        """Returns settings for the same time, not counting warm-ups, in `rounds` rounds."""
        return replace(self, rounds=rounds, seconds=self.seconds * self.rounds / rounds)


@dataclass(frozen=True)
class Usage:
    """The mean resources that were used for one call."""

    server_cpu_us: float
    #: The number of times that a thread of the server gave up the processor to wait.
    server_waits: float
    load_cpu_us: float


@dataclass
class Sample:
    """One run of a load: its program's report, and the resources used, if there is a server."""

    report: dict[str, Any]
    usage: Usage | None = None

    def latency_us(self, percentile: str) -> float:
        return float(self.report["latency_ns"][percentile]) / 1000

    def used(self) -> Usage:
        if self.usage is None:
            raise ValueError("a load without a server")
        return self.usage


@dataclass(frozen=True)
class Metric:
    """A figure of a sample."""

    name: str
    unit: str
    of: Callable[[Sample], float]


P50 = Metric("p50", "µs", lambda sample: sample.latency_us("p50"))
P99 = Metric("p99", "µs", lambda sample: sample.latency_us("p99"))
P999 = Metric("p99.9", "µs", lambda sample: sample.latency_us("p999"))
RATE = Metric("calls/s", "/s", lambda sample: float(sample.report["calls_per_second"]))
CPU = Metric("server's CPU per call", "µs", lambda sample: sample.used().server_cpu_us)
WAITS = Metric("waits per call", "", lambda sample: sample.used().server_waits)
LOAD_CPU = Metric("load's CPU per call", "µs", lambda sample: sample.used().load_cpu_us)


@dataclass(frozen=True)
class Spread:
    """The median of some values, with the least and the greatest."""

    median: float
    minimum: float
    maximum: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Limit:
    """The limit of a ratio or of a value."""

    value: float
    at_most: bool

    def allows(self, value: float) -> bool:
        return value <= self.value if self.at_most else value >= self.value


def at_most(value: float) -> Limit:
    return Limit(value, at_most=True)


def at_least(value: float) -> Limit:
    return Limit(value, at_most=False)


@dataclass
class Result:
    """A line of the table: our value, alone or compared with another."""

    #: "1" to "6", or the feature whose goal it is; "" without a goal.
    goal: str
    what: str
    unit: str
    ours: Spread
    limit: Limit | None
    #: The contender compared with; if empty, the limit applies to the value itself.
    theirs_name: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.limit.allows((self.ratio or self.ours).median)


@dataclass(frozen=True)
class Share:
    """A part of a call's time."""

    name: str
    #: From 0 to 1.
    share: float
    us: float
    #: The place to which a function belongs.
    place: str = ""


@dataclass
class Profile:
    """The distribution of a server's processor time under a load."""

    name: str
    #: The time per call, measured without the profiler; all shares are of it.
    cpu_us: float
    samples: int
    #: The number of processors that each program kept busy.
    processors: dict[str, float]
    #: The shares of all places, and of the functions with the largest shares.
    places: list[Share]
    functions: list[Share]
    #: The medians of successive steps, if they were traced.
    steps: list[Share] = field(default_factory=list)


@dataclass
class Section:
    """A part of the benchmark: its results, and all samples by the contender's name."""

    name: str
    title: str
    results: list[Result] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    left_out: str = ""
    profiles: list[Profile] = field(default_factory=list)
    #: True if the results are not part of the table of goals.
    has_own_table: bool = False

    def compare(
        self,
        goal: str,
        what: str,
        metric: Metric,
        ours: str,
        theirs: str,
        limit: Limit | None = None,
    ) -> None:
        """Adds the ratio of two contenders' samples, which is taken round by round."""
        mine, other = self.samples[ours], self.samples[theirs]
        values = [(metric.of(a), metric.of(b)) for a, b in zip(mine, other, strict=True)]
        self.results.append(
            Result(
                goal,
                what,
                metric.unit,
                Spread.of([a for a, _ in values]),
                limit,
                theirs,
                Spread.of([b for _, b in values]),
                Spread.of([a / b for a, b in values]),
            )
        )


def in_turn(contenders: dict[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Measures each contender once per round."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            samples[name].append(measure())
    return samples


def last_cpu() -> int:
    """Returns a processor for programs that share one; the first serves most interrupts."""
    return max(os.sched_getaffinity(0))


def ttrpc_load(socket: str, connections: int, in_flight: int, *options: str) -> list[str]:
    """Returns the command of our load generator."""
    command = [program("feedbackd-bench"), "load", "--socket", socket]
    return [*command, "--connections", str(connections), "--in-flight", str(in_flight), *options]


def grpc_load(socket: str, connections: int, in_flight: int) -> list[str]:
    """Returns the command of the C++ gRPC client; a busy server needs several of its threads."""
    threads = str(min(connections, len(os.sched_getaffinity(0))))
    command = [program("grpc-cpp-client"), "--socket", socket, "--threads", threads]
    return [*command, "--connections", str(connections), "--in-flight", str(in_flight)]


def under_load(
    server: Running,
    command: Sequence[str],
    settings: Settings,
    cpu: int | None = None,
    seconds: float | None = None,
) -> Sample:
    """Loads a running server: first to warm it up, then measured.

    The two are separate runs, so that the server's processor time is that of the counted calls.
    """
    warm_up = ["--warmup", "0", "--duration", str(settings.warm_up_seconds)]
    run_json([*command, *warm_up], cpu)
    measured = ["--warmup", "0", "--duration", str(seconds or settings.seconds)]
    cpu_before, waits_before = server.cpu_seconds(), server.voluntary_switches()
    load_before = _children_cpu_seconds()
    report = run_json([*command, *measured], cpu)
    load_used = _children_cpu_seconds() - load_before
    cpu_used = server.cpu_seconds() - cpu_before
    waits = sum(
        count - waits_before.get(thread, 0) for thread, count in server.voluntary_switches().items()
    )
    calls = report["calls"]
    usage = Usage(cpu_used * 1e6 / calls, waits / calls, load_used * 1e6 / calls)
    return Sample(report, usage)


def fresh(
    server: Server,
    load: Callable[..., list[str]],
    shape: tuple[int, int],
    settings: Settings,
    cpu: int | None = None,
) -> Callable[[], Sample]:
    """Returns a measurement that starts the server anew each time, so that all rounds are alike.

    The shape is the number of connections and of calls in flight on each.
    """

    def measure() -> Sample:
        with Running(server, cpu) as running:
            return under_load(running, load(running.socket, *shape), settings, cpu)

    return measure


def _children_cpu_seconds() -> float:
    """Returns the processor time of all programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
