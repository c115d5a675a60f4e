"""Errors: codes, messages, and details as grpcio-status decodes them."""

import grpc
from feedback.v1 import feedback_pb2 as fb
from feedback.v1 import session_pb2 as ss
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from checks import expect, expect_error, new_session, run_steps
from client import Client, connect

MESSAGE_BYTES_MAX = 4 << 20


def run(socket):
    with connect(socket) as channel:
        return run_steps(
            [
                violations_name_their_fields,
                several_violations_come_at_once,
                an_error_without_details,
                invalid_utf8_is_an_invalid_field,
                an_undecodable_message_is_internal,
                a_message_over_the_limit_is_refused,
                a_message_at_the_limit_is_taken,
            ],
            Client(channel),
        )


def expect_violations(what, fields, call):
    """Makes a call that is refused for just these fields."""
    error = expect_error(what, grpc.StatusCode.INVALID_ARGUMENT, fields[0], call)
    status = rpc_status.from_call(error)
    expect(f"{what}: code of the status", 3, status.code)
    expect(f"{what}: message of the status", error.details(), status.message)
    expect(f"{what}: details", 1, len(status.details))
    details = error_details_pb2.BadRequest()
    expect(f"{what}: a BadRequest", True, status.details[0].Unpack(details))
    expect(f"{what}: fields", fields, sorted({v.field for v in details.field_violations}))
    for violation in details.field_violations:
        expect(f"{what}: {violation.field} described", True, violation.description != "")


def violations_name_their_fields(client):
    session = new_session("invalid")
    add, metrics = fb.AddFeedbackRequest, fb.GetMetricsRequest
    for field, method, request in [
        ("session_id", client.add_feedback, add()),
        ("rating", client.add_feedback, add(session_id=session, rating=3)),
        ("comment", client.add_feedback, add(session_id=session, comment="😀" * 10_001)),
        ("author.id", client.add_feedback, add(session_id=session, author={"id": "i" * 256})),
        ("tags", client.add_feedback, add(session_id=session, tags=["tag"] * 17)),
        ("attributes.key", client.add_feedback, add(session_id=session, attributes={"": ""})),
        ("page_size", client.list_feedbacks, fb.ListFeedbacksRequest(page_size=1001)),
        ("page_token", client.list_feedbacks, fb.ListFeedbacksRequest(page_token="no token")),
        ("metadata_key", client.get_metrics, metrics(group_by=fb.GROUP_BY_METADATA)),
        (
            "metadata",
            client.update_metadata,
            ss.UpdateMetadataRequest(session_id=session, metadata={"$set": 1}),
        ),
        ("session_id", client.get_metadata, ss.GetMetadataRequest()),
        (
            "keys",
            client.delete_metadata,
            ss.DeleteMetadataRequest(session_id=session, keys=["not.good"]),
        ),
    ]:
        expect_violations(field, [field], lambda: method(request))
    listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session))
    expect("stored nothing", 0, listed.total_size)


def several_violations_come_at_once(client):
    request = fb.AddFeedbackRequest(
        session_id=new_session("invalid"), comment="x" * 10_001, agent_id="x" * 256
    )
    expect_violations("two", ["agent_id", "comment"], lambda: client.add_feedback(request))


def an_error_without_details(client):
    request = ss.GetMetadataRequest(session_id=new_session("unknown"))
    error = expect_error(
        "metadata", grpc.StatusCode.NOT_FOUND, "session", lambda: client.get_metadata(request)
    )
    status = rpc_status.from_call(error)
    # The server may leave out a status that says no more than the code and the message.
    if status is not None:
        expect("code", 5, status.code)
        expect("details", 0, len(status.details))


def invalid_utf8_is_an_invalid_field(client):
    session = new_session("utf8").encode()
    add = client.raw("/feedback.v1.FeedbackService/AddFeedback")
    request = field(1, session) + field(3, b"caf\xe9")
    expect_violations("comment", ["comment"], lambda: add(request))


def an_undecodable_message_is_internal(client):
    session = new_session("undecodable").encode()
    add = client.raw("/feedback.v1.FeedbackService/AddFeedback")
    for what, rest in [("a field cut short", b"\x1a\x05x"), ("wire type 7", b"\x1f")]:
        request = field(1, session) + rest
        expect_error(what, grpc.StatusCode.INTERNAL, "", lambda: add(request))


def a_message_over_the_limit_is_refused(client):
    request = fb.AddFeedbackRequest(
        session_id=new_session("too-large"), comment="x" * MESSAGE_BYTES_MAX
    )
    expect_error(
        "over 4 MiB",
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "",
        lambda: client.add_feedback(request),
    )
    listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=request.session_id))
    expect("stored nothing", 0, listed.total_size)


def a_message_at_the_limit_is_taken(client):
    """Unknown fields, which a client of a later API may send, are ignored."""
    head = field(1, new_session("at-the-limit").encode())
    # The length takes four bytes and the field's number two.
    filler = bytes(MESSAGE_BYTES_MAX - len(head) - 6)
    request = head + b"\xfa\x01" + varint(len(filler)) + filler
    expect("bytes", MESSAGE_BYTES_MAX, len(request))
    client.raw("/feedback.v1.FeedbackService/AddFeedback")(request)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    result = b""
    while value >= 0x80:
        result += bytes([value & 0x7F | 0x80])
        value >>= 7
    return result + bytes([value])
