"""Frames, cut in every way."""

import struct

import pytest
from feedbackd import _ttrpc, errors
from feedbackd._proto import feedback_pb2, replies_pb2, ttrpc_pb2

#: Its results are the messages themselves.
METHOD = _ttrpc.Method(
    "feedback.v1.FeedbackService",
    "AddFeedback",
    replies_pb2.AddFeedbackReply,
    lambda message: message,
)


def reply_frame(stream_id, data, kind=2):
    return struct.pack(">IIBB", len(data), stream_id, kind, 0) + data


REPLIES = [(1, b"a" * 20), (3, b""), (4_294_967_295, b"b" * 300)]
STREAM = b"".join(reply_frame(*reply) for reply in REPLIES)


@pytest.mark.parametrize("size", [*range(1, 40), len(STREAM)])
def test_replies_are_found_however_the_bytes_arrive(size):
    decoder = _ttrpc.FrameDecoder()
    found = []
    for start in range(0, len(STREAM), size):
        found += decoder.decode(STREAM[start : start + size])
    assert found == REPLIES


def test_frames_that_are_no_replies_are_passed_over():
    decoder = _ttrpc.FrameDecoder()
    stream = reply_frame(1, b"data", kind=3) + reply_frame(3, b"reply")
    assert decoder.decode(stream) == [(3, b"reply")]
    assert decoder.decode(reply_frame(5, b"data", kind=3)) == []


def test_a_frame_above_the_limit_is_no_ttrpc():
    largest = b"x" * (4 << 20)
    assert _ttrpc.FrameDecoder().decode(reply_frame(1, largest)) == [(1, largest)]
    with pytest.raises(_ttrpc.ProtocolError):
        _ttrpc.FrameDecoder().decode(struct.pack(">IIBB", (4 << 20) + 1, 1, 2, 0))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_152])
@pytest.mark.parametrize("timeout", [1e-12, 1e-9, 0.5, 10.0, 1e30])
def test_requests_are_what_protobuf_makes_of_them(size, timeout):
    data = _ttrpc.request_data(METHOD, b"p" * size, timeout)
    request = ttrpc_pb2.Request.FromString(data)
    assert request.service == "feedback.v1.FeedbackService"
    assert request.method == "AddFeedback"
    assert request.payload == b"p" * size
    assert request.timeout_nano == min(max(int(timeout * 1e9), 1), 2**63 - 1)
    assert _ttrpc.frame(7, data) == struct.pack(">IIBB", len(data), 7, 1, 1) + data


@pytest.mark.parametrize("code", range(1, 18))
def test_every_status_has_an_error(code):
    response = ttrpc_pb2.Response()
    response.status.code = code
    response.status.message = "why"
    with pytest.raises(errors.FeedbackError, match="why") as caught:
        METHOD.read(response.SerializeToString())
    assert caught.value.code == (code if code < 17 else errors.Code.UNKNOWN)


def test_details_of_other_kinds_and_broken_ones_are_passed_over():
    response = ttrpc_pb2.Response()
    response.status.code = 3
    response.status.details.add(type_url="type.googleapis.com/google.rpc.DebugInfo", value=b"\xff")
    response.status.details.add(type_url="type.googleapis.com/google.rpc.BadRequest", value=b"\xff")
    with pytest.raises(errors.InvalidArgumentError) as caught:
        METHOD.read(response.SerializeToString())
    assert caught.value.violations == ()


def test_an_answer_that_cannot_be_decoded_is_an_internal_error():
    with pytest.raises(errors.InternalError):
        METHOD.read(b"\xff")
    with pytest.raises(errors.InternalError):
        METHOD.read(ttrpc_pb2.Response(payload=b"\xff").SerializeToString())


def test_a_status_of_ok_is_no_error():
    payload = feedback_pb2.AddFeedbackResponse(replayed=True)
    response = ttrpc_pb2.Response(payload=payload.SerializeToString())
    response.status.SetInParent()
    assert METHOD.read(response.SerializeToString()) == payload


def test_messages_are_registered_under_names_of_their_own():
    """A program that has stubs of its own, of any version, must be able to import both."""
    assert feedback_pb2.DESCRIPTOR.name == "feedbackd/_proto/feedback.proto"
    assert feedback_pb2.DESCRIPTOR.package == "feedbackd.private.feedback.v1"
