"""The cost of a call in counts that do not depend on the load of the machine.

Each is the difference between the counts of two runs of the same server, divided by the difference
of their numbers of calls: starting and ending the server, and all that is done once, cancel out.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import dataset
import hooks
from counting import counted, switched, traced
from measure import Result, Section, Settings, Spread, at_most, ttrpc_load
from programs import Running, Server, feedbackd, peer, run_json

THRESHOLDS = Path(__file__).with_name("thresholds.json")
CALLS = (500, 3_000)
PAGE_CALLS = (50, 250)
ONE_CALL = (1, 1)


@dataclass(frozen=True)
class Case:
    """A server, anew for each run, and a load whose calls are counted."""

    name: str
    options: tuple[str, ...] = ()
    #: The store of feedbackd, or the name of a peer.
    store: str = "memory"
    peer: str = ""
    #: Makes any other server.
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
    # The peers end without writing counts, and Go does not allocate through the C library anyway.
    if not case.peer:
        counts["allocations"] = _per_call(case, counted)["allocations"]
    if case.name == "add, SQLite":
        counts["pages"] = _pages_per_add()
    return counts


def _pages_per_add() -> float:
    """Returns the number of pages that an add writes to SQLite's log.

    There are too few adds for a checkpoint, which would begin the log anew.
    """
    frames = []
    for calls in PAGE_CALLS:
        with dataset.copy(dataset.SMALL) as path:
            with Running(feedbackd(f"sqlite:{path}")) as running:
                load = ttrpc_load(running.socket, *ONE_CALL, "--warmup", "0", "--calls", str(calls))
                run_json(load)
                log = Path(f"{path}-wal")
                with log.open("rb") as file:
                    # sqlite.org/fileformat2.html, section 4.1
                    page_bytes = int.from_bytes(file.read(12)[8:])
                frames.append((log.stat().st_size - 32) / (24 + page_bytes))
    return (frames[1] - frames[0]) / (PAGE_CALLS[1] - PAGE_CALLS[0])


def _per_call(case: Case, count: Callable[..., tuple[int, dict[str, int]]]) -> dict[str, float]:
    runs = []
    for calls in CALLS:
        with case.server() as server:
            runs.append(count(server, ONE_CALL, "--calls", str(calls), *case.options))
    (fewer, before), (more, after) = runs
    return {
        name: (after.get(name, 0) - before.get(name, 0)) / (more - fewer) for name in before | after
    }
