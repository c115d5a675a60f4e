"""Those of gRPC's interoperability test cases that make sense for these services, under their names
(doc/interop-test-descriptions.md of grpc).

The server is one of the tests' own. On an added feedback with the attribute `sleep` it sleeps until
the test lets it go, and with the attribute `status` it fails with that code and the comment as its
message, as the `response_status` of the cases' own service asks for.
"""

import grpc
from feedback.v1 import feedback_pb2 as fb
from feedback.v1 import session_pb2 as ss
from google.protobuf import empty_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest

from checks import CALL_TIMEOUT, expect, expect_error, new_session, run_steps
from client import Client, connect


def run(socket, case):
    with connect(socket) as channel:
        return run_steps([CASES[case]], Client(channel))


def empty_unary(client):
    get_metrics = client.raw("/feedback.v1.FeedbackService/GetMetrics")
    reply = get_metrics(empty_pb2.Empty().SerializeToString())
    expect("reply", True, fb.GetMetricsResponse.FromString(reply).HasField("metrics"))


def large_unary(client):
    """A request of 271,828 bytes and a reply of at least 314,159."""
    session = new_session("large")
    client.update_metadata(ss.UpdateMetadataRequest(session_id=session, metadata={"kept": True}))
    request = ss.DeleteMetadataRequest(session_id=session)
    while (missing := 271_828 - request.ByteSize()) > 4:
        # A key has a byte for the field's number and two for its length, a short one only one.
        request.keys.append("k" * min(missing - 3, 1000))
    expect("bytes of the request", 271_828, request.ByteSize())
    expect("left", True, client.delete_metadata(request).metadata["kept"])
    for _ in range(40):
        client.add_feedback(fb.AddFeedbackRequest(session_id=session, comment="x" * 8000))
    listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session))
    expect("a large reply", True, listed.ByteSize() >= 314_159)
    expect("comments", {"x" * 8000}, {feedback.comment for feedback in listed.feedbacks})


def unimplemented_method(client):
    call = client.raw("/feedback.v1.FeedbackService/UnimplementedCall")
    expect_error("call", grpc.StatusCode.UNIMPLEMENTED, "", lambda: call(b""))


def unimplemented_service(client):
    call = client.raw("/feedback.v1.UnimplementedService/UnimplementedCall")
    expect_error("call", grpc.StatusCode.UNIMPLEMENTED, "", lambda: call(b""))


def status_code_and_message(client):
    expect_status(client, grpc.StatusCode.UNKNOWN, "test status message")


def special_status_message(client):
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    expect_status(client, grpc.StatusCode.UNKNOWN, message)


def expect_status(client, code, message):
    request = fb.AddFeedbackRequest(
        session_id=new_session("status"), comment=message, attributes={"status": str(code.value[0])}
    )
    error = expect_error("call", code, "", lambda: client.add_feedback(request))
    expect("message", message, error.details())


def cancel_after_begin(client):
    call = client.feedback.AddFeedback.future(sleeping("cancelled"), timeout=CALL_TIMEOUT)
    # The server starts the calls of a connection in their order: the add has been started now.
    client.health.Check(HealthCheckRequest(), timeout=CALL_TIMEOUT)
    call.cancel()
    expect("code", grpc.StatusCode.CANCELLED, call.code())

    watch = client.health.Watch(HealthCheckRequest())
    watch.cancel()
    expect("code of a stream", grpc.StatusCode.CANCELLED, watch.code())


def timeout_on_sleeping_server(client):
    # The first may not even reach the server.
    for timeout in (0.001, 0.2):
        request = sleeping("timed out")
        expect_error(
            f"{timeout} s",
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "",
            lambda: client.feedback.AddFeedback(request, timeout=timeout),
        )


def sleeping(comment):
    return fb.AddFeedbackRequest(
        session_id="interop", comment=comment, attributes={"sleep": "until let go"}
    )


CASES = {
    case.__name__: case
    for case in (
        empty_unary,
        large_unary,
        unimplemented_method,
        unimplemented_service,
        status_code_and_message,
        special_status_message,
        cancel_after_begin,
        timeout_on_sleeping_server,
    )
}
