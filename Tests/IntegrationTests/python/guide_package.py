"""Runs the statements of the Python library feedback-system on a collection of sessions.

    guide_package.py URI DATABASE add SESSION RATING COMMENT [KEY=VALUE ...]
    guide_package.py URI DATABASE list SESSION
    guide_package.py URI DATABASE metadata SESSION KEY=VALUE ...
    guide_package.py URI DATABASE find VARIANT RATING

RATING is up, down, or none. Prints JSON.
"""

import json
import sys
from datetime import datetime, timezone

import pymongo


class SessionManager:
    def __init__(self, collection, session_id):
        self.collection = collection
        self.session_id = session_id
        now = datetime.now(timezone.utc)
        if collection.find_one({"_id": session_id}, {"_id": 1}) is None:
            collection.insert_one(
                {
                    "_id": session_id,
                    "session_id": session_id,
                    "session_type": "AGENT",
                    "created_at": now,
                    "updated_at": now,
                    "agents": {},
                    "metadata": {},
                    "feedbacks": [],
                    "guardrail_events": [],
                    "application_name": None,
                }
            )

    def add_feedback(self, feedback):
        now = datetime.now(timezone.utc)
        self.collection.update_one(
            {"_id": self.session_id},
            {
                "$push": {"feedbacks": {**feedback, "created_at": now}},
                "$set": {"updated_at": now},
            },
        )

    def get_feedbacks(self):
        document = self.collection.find_one({"_id": self.session_id}, {"feedbacks": 1})
        return document.get("feedbacks", []) if document else []

    def update_metadata(self, metadata):
        changes = {f"metadata.{key}": value for key, value in metadata.items()}
        self.collection.update_one({"_id": self.session_id}, {"$set": changes})

    def get_metadata(self):
        return self.collection.find_one({"_id": self.session_id}, {"metadata": 1})["metadata"]


def pairs(arguments):
    return dict(argument.split("=", 1) for argument in arguments)


def main(uri, database, command, *arguments):
    collection = pymongo.MongoClient(uri, serverSelectionTimeoutMS=10_000)[database].sessions
    if command == "add":
        session, rating, comment, *extra = arguments
        feedback = {"rating": None if rating == "none" else rating, "comment": comment}
        SessionManager(collection, session).add_feedback({**feedback, **pairs(extra)})
        answer = "added"
    elif command == "list":
        answer = [
            {"rating": feedback["rating"], "comment": feedback["comment"]}
            for feedback in SessionManager(collection, arguments[0]).get_feedbacks()
            if isinstance(feedback["created_at"], datetime)
        ]
    elif command == "metadata":
        manager = SessionManager(collection, arguments[0])
        manager.update_metadata(pairs(arguments[1:]))
        answer = manager.get_metadata()
    elif command == "find":
        query = {"metadata.variant": arguments[0], "feedbacks.rating": arguments[1]}
        answer = [document["_id"] for document in collection.find(query)]
    else:
        sys.exit(__doc__)
    print(json.dumps(answer, sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
