"""Checks of every method, and of every field of the replies."""

import datetime
import re

import grpc
from feedback.v1 import feedback_pb2 as fb
from feedback.v1 import session_pb2 as ss
from google.protobuf import struct_pb2

from checks import expect, expect_error, new_session, run_steps
from client import Client, connect

UUID_V7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def run(socket):
    with connect(socket) as channel:
        return run_steps(
            [
                add_with_every_field,
                add_with_a_session_only,
                repeat_a_request_id,
                read_an_unknown_session,
                list_by_every_filter,
                list_page_by_page,
                metrics_by_every_grouping,
                change_metadata,
            ],
            Client(channel),
        )


def add_with_every_field(client):
    check_add(client, every_field(new_session("every-field")))


def add_with_a_session_only(client):
    request = fb.AddFeedbackRequest(session_id=new_session("session-only"))
    first, second = check_add(client, request), check_add(client, request)
    expect("equal ids", False, first.feedback_id == second.feedback_id)


def every_field(session):
    return fb.AddFeedbackRequest(
        session_id=session,
        rating=fb.RATING_DOWN,
        comment="Zu lang.\n\t„Kürzer“, bitte 👩‍👩‍👧 e\u0301",
        request_id="request-1",
        message_id="message-1",
        agent_id="agent-1",
        author=fb.Author(source=fb.AUTHOR_SOURCE_MODEL, id="judge-1"),
        tags=["too-long", "tone", "too-long"],
        attributes={"locale": "de-AT", "empty": "", "größe": "10 %"},
    )


def check_add(client, request):
    """Stores a feedback and checks all of the reply."""
    reply = client.add_feedback(request)
    got = reply.feedback
    created = got.created_at.ToDatetime(datetime.timezone.utc)
    age = datetime.datetime.now(datetime.timezone.utc) - created
    expect("created_at within a minute", True, abs(age) < datetime.timedelta(minutes=1))
    expect("created_at's part of a millisecond", 0, got.created_at.nanos % 1_000_000)
    expect("a UUID of version 7", True, bool(UUID_V7.fullmatch(got.feedback_id)))
    feedback = fb.Feedback(
        feedback_id=got.feedback_id,
        session_id=request.session_id,
        rating=request.rating,
        comment=request.comment,
        created_at=got.created_at,
        updated_at=got.created_at,
        message_id=request.message_id,
        agent_id=request.agent_id,
        author=request.author if request.HasField("author") else None,
        tags=request.tags,
        attributes=request.attributes,
    )
    expect("reply", fb.AddFeedbackResponse(feedback=feedback), reply)
    return got


def repeat_a_request_id(client):
    request = every_field(new_session("repeated"))
    original = check_add(client, request)
    other = fb.AddFeedbackRequest(
        session_id=request.session_id, request_id=request.request_id, comment="another"
    )
    for repeated in (request, other):
        expect(
            "reply to the same request_id",
            fb.AddFeedbackResponse(feedback=original, replayed=True),
            client.add_feedback(repeated),
        )
    expect(
        "list",
        fb.ListFeedbacksResponse(feedbacks=[original], total_size=1),
        client.list_feedbacks(fb.ListFeedbacksRequest(session_id=request.session_id)),
    )


def read_an_unknown_session(client):
    session = new_session("unknown")
    # There are two rounds, since the first must not have created the session.
    for _ in range(2):
        expect(
            "list",
            fb.ListFeedbacksResponse(),
            client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session)),
        )
        expect(
            "metrics",
            fb.GetMetricsResponse(metrics=fb.Metrics()),
            client.get_metrics(fb.GetMetricsRequest(session_id=session)),
        )
        get, delete = ss.GetMetadataRequest, ss.DeleteMetadataRequest
        code = grpc.StatusCode.NOT_FOUND
        expect_error(
            "get metadata", code, "session", lambda: client.get_metadata(get(session_id=session))
        )
        expect_error(
            "delete metadata",
            code,
            "session",
            lambda: client.delete_metadata(delete(session_id=session, keys=["key"])),
        )


def list_by_every_filter(client):
    session = new_session("filters")
    requests = [
        fb.AddFeedbackRequest(session_id=session, rating=fb.RATING_UP, comment="good"),
        fb.AddFeedbackRequest(session_id=session, rating=fb.RATING_DOWN, message_id="m"),
        fb.AddFeedbackRequest(session_id=session, comment="neither", message_id="m"),
    ]
    up, down, none = (check_add(client, request) for request in requests)
    for want, filters in [
        ([up, down, none], {}),
        ([none, down, up], {"newest_first": True}),
        ([up], {"ratings": [fb.RATING_UP]}),
        ([up, down], {"ratings": [fb.RATING_DOWN, fb.RATING_UP]}),
        ([down, none], {"message_id": "m"}),
        ([up, none], {"has_comment": True}),
        ([down], {"has_comment": False}),
        ([up, down, none], {"created_at_or_after": up.created_at}),
        ([], {"created_before": up.created_at}),
    ]:
        expect(
            f"list with {filters}",
            fb.ListFeedbacksResponse(feedbacks=want, total_size=len(want)),
            client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session, **filters)),
        )


def list_page_by_page(client):
    session = new_session("pages")
    added = [
        check_add(client, fb.AddFeedbackRequest(session_id=session, comment=str(index)))
        for index in range(7)
    ]
    listed = []
    request = fb.ListFeedbacksRequest(session_id=session, page_size=3)
    for size in (3, 3, 1):
        page = client.list_feedbacks(request)
        expect("page size", size, len(page.feedbacks))
        expect("total_size", len(added), page.total_size)
        listed += page.feedbacks
        request.page_token = page.next_page_token
    expect("token after the last page", "", request.page_token)
    expect("all pages", added, listed)


def metrics_by_every_grouping(client):
    session = new_session("metrics")
    ratings = [fb.RATING_UP, fb.RATING_UP, fb.RATING_UP, fb.RATING_DOWN, fb.RATING_UNSPECIFIED]
    for rating in ratings:
        request = fb.AddFeedbackRequest(session_id=session, rating=rating, comment="äé😀")
        created = check_add(client, request).created_at.ToDatetime()
    client.update_metadata(ss.UpdateMetadataRequest(session_id=session, metadata={"variant": "b"}))
    metrics = fb.Metrics(
        total=5,
        positive=3,
        negative=1,
        neutral=1,
        average_comment_length=3,
        satisfaction_rate=60,
        approval_rate=75,
    )
    for key, grouping in [
        (None, {}),
        (session, {"group_by": fb.GROUP_BY_SESSION}),
        ("b", {"group_by": fb.GROUP_BY_METADATA, "metadata_key": "variant"}),
    ]:
        groups = [] if key is None else [fb.MetricsGroup(key=key, metrics=metrics)]
        expect(
            f"metrics with {grouping}",
            fb.GetMetricsResponse(metrics=metrics, groups=groups),
            client.get_metrics(fb.GetMetricsRequest(session_id=session, **grouping)),
        )
    # Midnight, or the full hour, may have passed between the calls.
    for form, grouping in [("%Y-%m-%dT%H:00:00Z", "HOUR"), ("%Y-%m-%d", "DAY")]:
        reply = client.get_metrics(
            fb.GetMetricsRequest(session_id=session, group_by=f"GROUP_BY_{grouping}")
        )
        expect("metrics", metrics, reply.metrics)
        expect("the last group", created.strftime(form), reply.groups[-1].key)
        expect("total of all groups", 5, sum(group.metrics.total for group in reply.groups))


def change_metadata(client):
    session = new_session("metadata")
    first = {
        "experiment": "prompt-länge",
        "enabled": True,
        "weight": 0.25,
        "nothing": None,
        "list": [1, "zwei", False, None, [], {}],
        "nested": {"a": {"b": "c"}, "d": 1e300},
    }
    merged = {**first, "nested": {"new": 1}, "variant": "b"}

    def update(metadata):
        request = ss.UpdateMetadataRequest(session_id=session, metadata=metadata)
        return client.update_metadata(request).metadata

    def get():
        return client.get_metadata(ss.GetMetadataRequest(session_id=session)).metadata

    def delete(*keys):
        request = ss.DeleteMetadataRequest(session_id=session, keys=keys)
        return client.delete_metadata(request).metadata

    expect("update", struct(first), update(first))
    expect("get", struct(first), get())
    # Top-level keys are replaced as a whole: nothing of the old "nested" stays.
    expect("merge", struct(merged), update({"nested": {"new": 1}, "variant": "b"}))
    expect("get after merge", struct(merged), get())
    del merged["nested"], merged["nothing"]
    expect("delete", struct(merged), delete("nested", "nothing", "unknown"))
    expect("get after delete", struct(merged), get())
    expect("delete of the rest", struct({}), delete(*merged))


def struct(fields):
    result = struct_pb2.Struct()
    result.update(fields)
    return result
