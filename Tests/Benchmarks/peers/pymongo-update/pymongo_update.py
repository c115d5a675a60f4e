"""What the guide's Python package does for each add, by one caller: pymongo's `update_one` with `$push`
of the feedback and `$set` of `updated_at`, acknowledged by the majority and the journal.

The sessions are made beforehand and taken in turn, as mongoc-loop does; the collection is dropped at
the beginning.

Left out on purpose, in pymongo's favour: the package around it, its hooks and its checks.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pymongo
from pymongo.collection import Collection

PERCENTS = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100]


def make_sessions(collection: Collection, count: int) -> list[str]:
    """Makes sessions as the package does, and returns their ids."""
    collection.drop()
    now = datetime.now(timezone.utc)
    ids = [f"session-{index:07}" for index in range(count)]
    collection.insert_many(
        {
            "_id": session_id,
            "session_id": session_id,
            "session_type": "AGENT",
            "agents": {},
            "metadata": {},
            "feedbacks": [],
            "guardrail_events": [],
            "application_name": None,
            "created_at": now,
            "updated_at": now,
        }
        for session_id in ids
    )
    return ids


def add(collection: Collection, session_id: str, rating: str, comment: str) -> bool:
    """Adds a feedback as the package does; false if the session was not there."""
    now = datetime.now(timezone.utc)
    feedback = {"rating": rating, "comment": comment, "created_at": now}
    result = collection.update_one(
        {"_id": session_id}, {"$push": {"feedbacks": feedback}, "$set": {"updated_at": now}}
    )
    return result.modified_count == 1


def load(
    collection: Collection, sessions: Iterator[str], seconds: float
) -> tuple[int, float, list[int]]:
    """Adds for so long; the errors, the seconds that it took, and the latencies of the others."""
    errors = 0
    latencies = []
    last = start = time.monotonic_ns()
    while last - start < seconds * 1e9:
        stored = add(collection, next(sessions), "up", "c" * 40)
        now = time.monotonic_ns()
        if stored:
            latencies.append(now - last)
        else:
            errors += 1
        last = now
    return errors, (last - start) / 1e9, latencies


def report(errors: int, seconds: float, latencies: list[int]) -> dict:
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--database", default="feedbackd_bench")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", required=True)
    options = parser.parse_args()

    client = pymongo.MongoClient(options.uri, w="majority", journal=True)
    collection = client[options.database]["sessions"]
    sessions = make_sessions(collection, options.sessions)
    turn = itertools.cycle(sessions)
    load(collection, turn, options.warmup)
    errors, seconds, latencies = load(collection, turn, options.seconds)
    result = report(errors, seconds, latencies)
    with open(options.json, "w") as file:
        json.dump(result, file)
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
