"""Hooks around every add, in the caller's process: one validates, one counts what was stored.

    python hooks.py [SOCKET]
"""

import sys
from collections import Counter
from typing import Any

from feedbackd import FeedbackHook, MongoDBSessionManager, create_combined_hook


def validate(original_func: Any, action: str, session_id: str, **kwargs: Any) -> Any:
    """Refuses what has no comment, and marks what has passed."""
    feedback = kwargs["feedback"]
    if feedback.get("rating") == "down" and not feedback.get("comment", "").strip():
        raise ValueError("please say what was wrong")
    return original_func({**feedback, "_validated_by": "sample"})


class Count:
    """Counts by rating, after the feedback is stored: a failed add is not counted."""

    def __init__(self) -> None:
        self.ratings: Counter[str | None] = Counter()

    def __call__(self, original_func: Any, action: str, session_id: str, **kwargs: Any) -> Any:
        stored = original_func(kwargs["feedback"])
        self.ratings[kwargs["feedback"].get("rating")] += 1
        return stored


def main(socket: str | None = None) -> None:
    count = Count()
    hook: FeedbackHook = create_combined_hook(validate, count)
    address = None if socket is None else f"unix:{socket}"
    session = MongoDBSessionManager("user-123", address, feedback_hook=hook)

    session.add_feedback({"rating": "up", "comment": "Great!"})
    try:
        session.add_feedback({"rating": "down", "comment": ""})
    except ValueError as error:
        print(f"refused: {error}")
    for feedback in session.get_feedbacks():
        print(feedback["rating"], feedback["comment"], feedback["_validated_by"])
    print(f"stored: {dict(count.ratings)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
