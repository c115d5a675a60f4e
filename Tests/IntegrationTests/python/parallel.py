"""Many calls at the same time on one channel."""

from feedback.v1 import feedback_pb2 as fb

from checks import CALL_TIMEOUT, expect, run_steps
from client import Client, connect


def run(socket, session, count):
    return run_steps([add_at_once], socket, session, int(count))


def add_at_once(socket, session, count):
    """Each call stores another comment, so that a reply to the wrong call is noticed."""
    with connect(socket) as channel:
        client = Client(channel)
        calls = {}
        for index in range(count):
            request = fb.AddFeedbackRequest(
                session_id=session,
                comment=f"comment {index}",
                request_id=f"request-{index}",
                # The server of interop.py obeys this: no call ends before all have begun.
                attributes={"sleep": "until let go"},
            )
            calls[index] = client.feedback.AddFeedback.future(request, timeout=CALL_TIMEOUT)
        ids = set()
        for index, call in calls.items():
            reply = call.result()
            expect("comment", f"comment {index}", reply.feedback.comment)
            expect("replayed", False, reply.replayed)
            ids.add(reply.feedback.feedback_id)
        expect("feedback ids", count, len(ids))
        listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session))
        expect("stored", count, listed.total_size)
