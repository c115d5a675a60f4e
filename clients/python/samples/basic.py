"""Adds feedback to a session, lists it and measures it.

    python basic.py [SOCKET]
"""

import sys

from feedbackd import Author, AuthorSource, FeedbackClient, GroupBy


def main(socket: str | None = None) -> None:
    with FeedbackClient(socket) as client:
        client.update_metadata("user-123", {"experiment": "prompt_v2", "variant": "B"})
        client.add_feedback("user-123", "up", "Very helpful response!")
        client.add_feedback(
            "user-123",
            "down",
            "The second half was made up",
            message_id="message-7",
            agent_id="travel-agent",
            author=Author(AuthorSource.HUMAN, "eve"),
            tags=["wrong"],
        )
        # A neutral remark, sent twice under one request_id: the second is answered with the first.
        for _ in range(2):
            added = client.add_feedback("user-123", None, "Noted", request_id="form-42")
        print(f"replayed: {added.replayed}")

        for feedback in client.list_feedbacks("user-123"):
            print(f"{feedback.rating.name:5} {feedback.comment}")
        report = client.get_metrics(group_by=GroupBy.METADATA, metadata_key="variant")
        for variant, metrics in report.groups.items():
            print(f"variant {variant}: {metrics.approval_rate:.0f} % of {metrics.total} approve")


if __name__ == "__main__":
    main(*sys.argv[1:])
