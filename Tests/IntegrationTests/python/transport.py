"""The features that gRPC adds to a call: metadata, compression, deadlines, cancellation."""

import grpc
from feedback.v1 import feedback_pb2 as fb

from checks import CALL_TIMEOUT, expect, expect_error, new_session, run_steps
from client import Client, connect


def run(socket):
    return run_steps(
        [
            custom_metadata_is_accepted,
            too_much_metadata_is_refused,
            gzip_on_the_channel,
            gzip_on_one_call,
            an_unknown_compression_is_refused,
            deadlines_pass_at_any_moment,
            calls_are_cancelled_at_any_moment,
        ],
        socket,
    )


def custom_metadata_is_accepted(socket):
    with connect(socket, primary_user_agent="agent-of-the-test") as channel:
        stub = Client(channel).feedback
        metadata = [
            ("x-caller", "python"),
            ("x-caller", "again"),
            ("x-empty", ""),
            ("x-trace-bin", bytes(range(256))),
            ("x-long", "v" * 4096),
        ]
        reply, call = stub.GetMetrics.with_call(
            fb.GetMetricsRequest(), metadata=metadata, timeout=CALL_TIMEOUT
        )
        expect("reply", True, reply.HasField("metrics"))
        expect("code", grpc.StatusCode.OK, call.code())


def too_much_metadata_is_refused(socket):
    with connect(socket) as channel:
        client = Client(channel)
        expect_error(
            "12 KiB",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "",
            lambda: client.get_metrics(
                fb.GetMetricsRequest(), metadata=[("x-long", "v" * (12 << 10))]
            ),
        )
        # The connection outlives it.
        client.get_metrics(fb.GetMetricsRequest())


def gzip_on_the_channel(socket):
    with connect(socket, compression=grpc.Compression.Gzip) as channel:
        add_and_list(Client(channel), {})


def gzip_on_one_call(socket):
    with connect(socket) as channel:
        add_and_list(Client(channel), {"compression": grpc.Compression.Gzip})


def add_and_list(client, options):
    session = new_session("gzip")
    for comment in ("", "short", "ab" * 5000, "😀" * 10_000):
        request = fb.AddFeedbackRequest(session_id=session, comment=comment)
        reply = client.add_feedback(request, **options)
        expect("comment", comment, reply.feedback.comment)
    listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session), **options)
    expect("listed", 4, len(listed.feedbacks))


def an_unknown_compression_is_refused(socket):
    """The refusal also shows that the messages of the calls before were compressed."""
    with connect(socket) as channel:
        client = Client(channel)
        request = fb.AddFeedbackRequest(session_id=new_session("deflate"), comment="ab" * 5000)
        expect_error(
            "deflate",
            grpc.StatusCode.UNIMPLEMENTED,
            "",
            lambda: client.add_feedback(request, compression=grpc.Compression.Deflate),
        )
        listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=request.session_id))
        expect("stored nothing", 0, listed.total_size)


def deadlines_pass_at_any_moment(socket):
    """Deadlines pass before, within and after every part of a call."""
    timeouts = [0, 1e-6, 5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3]

    def start(method, request, index):
        return method.future(request, timeout=timeouts[index % len(timeouts)])

    interrupt_calls(socket, start, grpc.StatusCode.DEADLINE_EXCEEDED)


def calls_are_cancelled_at_any_moment(socket):
    def start(method, request, index):
        call = method.future(request, timeout=CALL_TIMEOUT)
        if index % 2:
            # A call after it lets it proceed further.
            method(fb.AddFeedbackRequest(session_id="behind"), timeout=CALL_TIMEOUT)
        call.cancel()
        return call

    interrupt_calls(socket, start, grpc.StatusCode.CANCELLED)


def interrupt_calls(socket, start, code):
    """However a call ends, its feedback is stored no more than once, and not lost if it was
    acknowledged: that is checked by repeating each call without a deadline."""
    session = new_session("interrupted")
    ends = {grpc.StatusCode.OK: 0, code: 0}
    index = 0
    with connect(socket) as channel:
        client = Client(channel)
        # The client rounds timeouts up to a millisecond, in which nearly all calls end.
        while index < 90 or (ends[code] == 0 and index < 5_000):
            request = fb.AddFeedbackRequest(
                session_id=session, comment=f"comment {index}", request_id=f"request-{index}"
            )
            call = start(client.feedback.AddFeedback, request, index)
            end = outcome(call)
            expect(f"call {index} ends with OK or {code}", True, end in ends)
            ends[end] += 1
            again = client.add_feedback(request)
            expect("comment", request.comment, again.feedback.comment)
            if end == grpc.StatusCode.OK:
                expect("replayed", True, again.replayed)
                expect("feedback", call.result().feedback, again.feedback)
            index += 1
        listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session))
        expect("stored", index, listed.total_size)
    expect(f"some end with {code}", True, ends[code] > 0)


def outcome(call):
    try:
        call.result()
    except (grpc.RpcError, grpc.FutureCancelledError):
        pass
    return call.code()
