"""WatchFeedbacks: what the stream has, where it begins, and how it ends."""

import grpc
from feedback.v1 import feedback_pb2 as fb

from checks import CALL_TIMEOUT, expect, expect_error, new_session, run_steps
from client import Client, connect

INVALID = grpc.StatusCode.INVALID_ARGUMENT
OUT_OF_RANGE = grpc.StatusCode.OUT_OF_RANGE


def run(socket):
    with connect(socket) as channel:
        return run_steps(
            [replay, positions, filters, from_now, refusals, a_cancelled_watch_ends],
            Client(channel),
        )


def watch(client, **request):
    return client.feedback.WatchFeedbacks(
        fb.WatchFeedbacksRequest(**request), timeout=CALL_TIMEOUT
    )


def add(client, session, *comments, **fields):
    return [
        client.add_feedback(
            fb.AddFeedbackRequest(session_id=session, comment=comment, **fields)
        ).feedback
        for comment in comments
    ]


def changes(replies):
    """The changes of a stream that ends, which must end with the position of the last."""
    replies = list(replies)
    expect("the end", "heartbeat_position", replies[-1].WhichOneof("event"))
    found = [reply.change for reply in replies[:-1]]
    for change in found:
        expect("kind", fb.Change.KIND_ADDED, change.kind)
    return found


def replay(client):
    session = new_session("replay")
    added = add(client, session, *(str(number) for number in range(600)))
    found = changes(watch(client, filter=fb.FeedbackFilter(session_id=session)))
    expect("feedback", added, [change.feedback for change in found])
    expect("positions", 600, len({change.position for change in found}))


def positions(client):
    session = new_session("positions")
    only = fb.FeedbackFilter(session_id=session)
    add(client, session, "1", "2", "3")
    first = list(watch(client, filter=only))
    for index in range(3):
        rest = watch(client, filter=only, start_position=first[index].change.position)
        comments = [change.feedback.comment for change in changes(rest)]
        expect("after a position", ["1", "2", "3"][index + 1 :], comments)
    add(client, session, "4")
    rest = watch(client, filter=only, start_position=first[-1].heartbeat_position)
    expect("after a heartbeat", ["4"], [change.feedback.comment for change in changes(rest)])


def filters(client):
    session = new_session("filters")
    add(client, session, "up", rating=fb.RATING_UP, message_id="m")
    add(client, session, "down", "", rating=fb.RATING_DOWN)
    last = add(client, session, "last")[0]
    for want, fields in [
        (["up"], {"ratings": [fb.RATING_UP]}),
        (["down", ""], {"ratings": [fb.RATING_DOWN]}),
        (["up", "down", "last"], {"has_comment": True}),
        ([""], {"has_comment": False}),
        (["up"], {"message_id": "m"}),
        ([], {"created_before": {"seconds": 1}}),
        (["last"], {"created_at_or_after": last.created_at, "ratings": [0]}),
    ]:
        found = changes(watch(client, filter=fb.FeedbackFilter(session_id=session, **fields)))
        expect(f"{fields}", want, [change.feedback.comment for change in found])


def from_now(client):
    session = new_session("now")
    add(client, session, "before")
    only = fb.FeedbackFilter(session_id=session)
    replies = watch(client, filter=only, from_now=True, follow=True)
    expect("caught up", "heartbeat_position", next(replies).WhichOneof("event"))
    for comment in ["1", "2"]:
        add(client, session, comment)
        expect("comment", comment, next(replies).change.feedback.comment)
    replies.cancel()


def refusals(client):
    for what, code, word, request in [
        ("no position", INVALID, "start_position", {"start_position": "x"}),
        ("a long one", INVALID, "start_position", {"start_position": "x" * 1025}),
        ("two places", INVALID, "start_position", {"start_position": "x", "from_now": True}),
        ("another store", OUT_OF_RANGE, "begin again", {"start_position": f"{'0' * 16}-1"}),
        (
            "the future",
            OUT_OF_RANGE,
            "begin again",
            {"start_position": future(list(watch(client))[-1].heartbeat_position)},
        ),
        (
            "a session",
            INVALID,
            "filter.session_id",
            {"filter": fb.FeedbackFilter(session_id="x" * 256)},
        ),
        (
            "a field",
            grpc.StatusCode.UNIMPLEMENTED,
            "filter.agent_id is not served yet",
            {"filter": fb.FeedbackFilter(agent_id="x")},
        ),
    ]:
        expect_error(what, code, word, lambda: next(watch(client, **request)))


def future(position):
    epoch, number = position.split("-")
    return f"{epoch}-{int(number) + 1_000_000}"


def a_cancelled_watch_ends(client):
    replies = watch(client, from_now=True, follow=True)
    next(replies)
    replies.cancel()
    expect("code", grpc.StatusCode.CANCELLED, replies.code())
    replies = client.feedback.WatchFeedbacks(
        fb.WatchFeedbacksRequest(from_now=True, follow=True), timeout=0.2
    )
    next(replies)
    expect_error("deadline", grpc.StatusCode.DEADLINE_EXCEEDED, "", lambda: next(replies))
