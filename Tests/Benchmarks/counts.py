"""What a call costs in counts that do not depend on how busy the machine is.

Each is the difference between two runs of the same server with different numbers of calls, divided
by that difference: starting and ending it, and all that is done once, counts for nothing.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import dataset
import hooks
from counting import counted, switched, traced
from measure import Result, Section, Settings, Spread, at_most
from programs import Server, feedbackd, peer

THRESHOLDS = Path(__file__).with_name("thresholds.json")
CALLS = (500, 3_000)
ONE_CALL = (1, 1)


@dataclass(frozen=True)
class Case:
    """A server, anew for each run, and a load whose calls are counted."""

    name: str
    options: tuple[str, ...] = ()
    #: Where feedbackd stores, or which peer it is.
    store: str = "memory"
    peer: str = ""
    #: Or the server itself.
    special: Callable[[], AbstractContextManager[Server]] | None = None

    @contextmanager
    def server(self) -> Iterator[Server]:
        if self.special is not None:
            with self.special() as server:
                yield server
        elif self.peer:
            yield peer(self.peer)
        elif self.store == "memory":
            yield feedbackd()
        else:
            with dataset.copy(dataset.SMALL) as path:
                yield feedbackd(f"sqlite:{path}")


ONE_SESSION = ("--session", "session-0000000")
CASES = [
    Case("add, memory"),
    Case("add, memory, metrics", special=lambda: nullcontext(hooks.recorded())),
    Case("add, memory, metrics, four hooks", special=hooks.hooked),
    Case("add, SQLite", store="sqlite"),
    Case("list, SQLite", ("--method", "list", *ONE_SESSION), "sqlite"),
    Case("metrics, SQLite", ("--method", "metrics"), "sqlite"),
    Case("echo-c", peer="echo-c"),
    Case("echo-dispatch", peer="echo-dispatch"),
    Case("ttrpc-go", peer="ttrpc-go"),
]


def counts(settings: Settings) -> Section:
    """Allocations, system calls and waits of threads per call."""
    section = Section("counts", "Counts per call, one in flight", has_own_table=True)
    limits = json.loads(THRESHOLDS.read_text())
    for case in CASES:
        if case.peer and settings.quick:
            continue
        for what, value in _counts(case).items():
            limit = limits.get(case.name, {}).get(what)
            section.results.append(
                Result(
                    "counts" if limit is not None else "",
                    f"{case.name}: {what}",
                    "",
                    Spread(value, value, value),
                    None if limit is None else at_most(limit),
                )
            )
    return section


def _counts(case: Case) -> dict[str, float]:
    system_calls = _per_call(case, traced)
    counts = {
        "system calls": sum(system_calls.values()),
        "waits": _per_call(case, switched)["waits"],
    }
    # The peers end without a last word, and Go does not allocate through the C library anyway.
    if not case.peer:
        counts["allocations"] = _per_call(case, counted)["allocations"]
    return counts


def _per_call(case: Case, count: Callable[..., tuple[int, dict[str, int]]]) -> dict[str, float]:
    runs = []
    for calls in CALLS:
        with case.server() as server:
            runs.append(count(server, ONE_CALL, "--calls", str(calls), *case.options))
    (fewer, before), (more, after) = runs
    return {
        name: (after.get(name, 0) - before.get(name, 0)) / (more - fewer) for name in before | after
    }
