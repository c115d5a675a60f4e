"""The report of a load program in Python, as programs.run_json expects it."""

import argparse
import json
import time
from collections.abc import Callable

PERCENTS = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that all load programs have."""
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", required=True)


def measure(call: Callable[[], bool], options: argparse.Namespace) -> int:
    """Warms up, measures calls one after the other, and writes the report; the exit status.

    A call returns false if it failed.
    """
    _load(call, options.warmup)
    errors, seconds, latencies = _load(call, options.seconds)
    with open(options.json, "w") as file:
        json.dump(_report(errors, seconds, latencies), file)
    return 1 if errors else 0


def _load(call: Callable[[], bool], seconds: float) -> tuple[int, float, list[int]]:
    """Calls for `seconds`; returns the errors, the seconds it took, and the latencies in ns."""
    errors = 0
    latencies = []
    last = start = time.monotonic_ns()
    while last - start < seconds * 1e9:
        succeeded = call()
        now = time.monotonic_ns()
        if succeeded:
            latencies.append(now - last)
        else:
            errors += 1
        last = now
    return errors, (last - start) / 1e9, latencies


def _report(errors: int, seconds: float, latencies: list[int]) -> dict:
    latencies.sort()

    def at(percent: float) -> int:
        if not latencies:
            return 0
        rank = round(percent / 100 * len(latencies))
        return latencies[max(0, rank - 1)]

    return {
        "calls": len(latencies),
        "errors": errors,
        "seconds": seconds,
        "calls_per_second": len(latencies) / seconds,
        "latency_ns": {
            "p50": at(50),
            "p90": at(90),
            "p99": at(99),
            "p999": at(99.9),
            "max": at(100),
            "mean": sum(latencies) / max(1, len(latencies)),
        },
        "percentiles": [[percent, at(percent)] for percent in PERCENTS],
    }
