#!/usr/bin/env python3
"""Compares the daemon with a former binary of it, both in turn, and prints a table of ratios.

`make bench` has built what it loads them with.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hooks
import machine
import ttrpc
from dataset import scratch_folder
from durable import new_file
from footprint import allow_descriptors, memory_held
from measure import CPU, P50, RATE, Metric, Sample, Settings, Spread, fresh, in_turn, ttrpc_load
from programs import WORK, Failed, LeftOut, Running, Server, connect, feedbackd

CONNECTIONS = 2_000
REST_SECONDS = 2

#: A contender's figure from one run.
Measure = Callable[[Server], float]


def main() -> int:
    arguments = _arguments()
    settings = replace(
        Settings.of(quick=True), rounds=arguments.rounds, seconds=arguments.seconds
    )
    allow_descriptors(CONNECTIONS + 100)
    WORK.mkdir(parents=True, exist_ok=True)
    print("\n".join(f"{key}: {value}" for key, value in machine.describe().items()), end="\n\n")
    print("| what | former | now | now / former |", "|---|---|---|---|", sep="\n")
    with scratch_folder() as folder:
        config = folder / "hooks.yaml"
        config.write_text(hooks.CHAIN.format(audit=folder / "audit.jsonl"))
        chain = [*hooks.METRICS, "--config", str(config)]

        def on_disk() -> Server:
            return feedbackd(f"sqlite:{new_file(folder)}")

        rows: dict[str, tuple[str, str, Callable[[], Server], Measure]] = {
            "one": ("memory store, one call, p50", "µs", feedbackd, _load(P50, (1, 1), settings)),
            "many": ("memory store, 8 x 8", "/s", feedbackd, _load(RATE, (8, 8), settings)),
            "sqlite1": ("SQLite, one call, p50", "µs", on_disk, _load(P50, (1, 1), settings)),
            "sqlite64": ("SQLite, 8 x 8", "/s", on_disk, _load(RATE, (8, 8), settings)),
            "hooks": (
                "memory store, four hooks and metrics, 8 x 8, CPU per add",
                "µs",
                lambda: feedbackd(options=chain),
                _load(CPU, (8, 8), settings),
            ),
            "metrics": (
                "memory store, metrics, 8 x 8, CPU per add",
                "µs",
                lambda: feedbackd(options=hooks.METRICS),
                _load(CPU, (8, 8), settings),
            ),
            "idle": ("idle, VmRSS", "KiB", on_disk, _idle),
            "idle_page": (
                "idle with the page of metrics, VmRSS",
                "KiB",
                lambda: feedbackd(f"sqlite:{new_file(folder)}", options=hooks.METRICS),
                _idle,
            ),
            "held": (f"each of {CONNECTIONS:,} idle connections", "KiB", on_disk, _per_connection),
        }
        for name in arguments.only or rows:
            what, unit, server, measure = rows[name]
            _compare(what, unit, server, measure, arguments.former, settings.rounds)
    return 0


def _compare(
    what: str,
    unit: str,
    server: Callable[[], Server],
    measure: Measure,
    former: Path,
    rounds: int,
) -> None:
    def of_former() -> Server:
        now = server()
        return replace(now, name="former", command=[str(former), *now.command[1:]])

    def sample(contender: Callable[[], Server]) -> Callable[[], Sample]:
        return lambda: Sample({"value": measure(contender())})

    samples = in_turn({"former": sample(of_former), "now": sample(server)}, rounds)
    values = {name: [one.report["value"] for one in all] for name, all in samples.items()}
    ratio = Spread.of([b / a for a, b in zip(values["former"], values["now"], strict=True)])
    medians = [f"{Spread.of(values[name]).median:,.4g} {unit}" for name in ("former", "now")]
    spread = f"{ratio.median:.3f} ({ratio.minimum:.3f} to {ratio.maximum:.3f})"
    print(f"| {what} | {' | '.join(medians)} | {spread} |", flush=True)


def _load(metric: Metric, shape: tuple[int, int], settings: Settings) -> Measure:
    return lambda server: metric.of(fresh(server, ttrpc_load, shape, settings)())


def _idle(server: Server) -> float:
    with Running(server) as running:
        return _at_rest(running)


def _per_connection(server: Server) -> float:
    with Running(server) as running:
        idle = _at_rest(running)
        return (memory_held(running, CONNECTIONS, REST_SECONDS) - idle) / CONNECTIONS


def _at_rest(running: Running) -> float:
    """Returns the resident KiB after a first answer and a rest."""
    with connect(running.socket) as client:
        ttrpc.metrics_total(client)
    time.sleep(REST_SECONDS)
    return running.memory_kib("VmRSS")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("former", type=Path, help="the former daemon's binary")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1, help="the length of each load")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="only these rows")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, LeftOut) as error:
        sys.exit(str(error))
