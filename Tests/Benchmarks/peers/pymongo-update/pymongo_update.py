"""The adds of the Python library feedback-system, by one caller: pymongo's `update_one` with `$push`
of the feedback and `$set` of `updated_at`, acknowledged by the majority and the journal.

The sessions are made beforehand and taken in turn, as mongoc-loop does; the collection is dropped at
the beginning.

Left out on purpose, in pymongo's favour: the library around it, its hooks and its checks.
"""

import argparse
import itertools
import sys
from datetime import datetime, timezone
from pathlib import Path

import pymongo
from pymongo.collection import Collection

sys.path.insert(0, str(Path(__file__).parents[1]))
import load_report


def make_sessions(collection: Collection, count: int) -> list[str]:
    """Makes sessions as the library does, and returns their ids."""
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
    """Adds a feedback as the library does; returns false if the session does not exist."""
    now = datetime.now(timezone.utc)
    feedback = {"rating": rating, "comment": comment, "created_at": now}
    result = collection.update_one(
        {"_id": session_id}, {"$push": {"feedbacks": feedback}, "$set": {"updated_at": now}}
    )
    return result.modified_count == 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--database", default="feedbackd_bench")
    parser.add_argument("--sessions", type=int, default=10_000)
    load_report.add_options(parser)
    options = parser.parse_args()

    client = pymongo.MongoClient(options.uri, w="majority", journal=True)
    collection = client[options.database]["sessions"]
    sessions = make_sessions(collection, options.sessions)
    turn = itertools.cycle(sessions)
    return load_report.measure(lambda: add(collection, next(turn), "up", "c" * 40), options)


if __name__ == "__main__":
    raise SystemExit(main())
