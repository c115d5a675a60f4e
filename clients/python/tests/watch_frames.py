"""The frames of a watch, as a server sends and reads them."""

import struct

from feedbackd._proto import feedback_pb2, ttrpc_pb2
from feedbackd._ttrpc import HEADER_BYTES

RESPONSE, DATA = 2, 3
REMOTE_CLOSED, NO_DATA = 1, 4


def framed(data, kind=DATA, flags=0):
    return struct.pack(">IIBB", len(data), 1, kind, flags) + data


def change(position, comment="", kind=1):
    response = feedback_pb2.WatchFeedbacksResponse()
    response.change.position, response.change.kind = position, kind
    response.change.feedback.comment = comment
    return framed(response.SerializeToString())


def heartbeat(position):
    response = feedback_pb2.WatchFeedbacksResponse(heartbeat_position=position)
    return framed(response.SerializeToString())


def refusal(code, message="why"):
    response = ttrpc_pb2.Response()
    response.status.code, response.status.message = code, message
    return framed(response.SerializeToString(), RESPONSE)


END = framed(b"", flags=REMOTE_CLOSED | NO_DATA)


def request_of(frame):
    """The request of a frame that a client sends, with which nothing follows and no limit."""
    size, stream_id, kind, flags = struct.unpack_from(">IIBB", frame)
    assert (size, stream_id, kind, flags) == (len(frame) - HEADER_BYTES, 1, 1, 1)
    envelope = ttrpc_pb2.Request.FromString(frame[HEADER_BYTES:])
    assert (envelope.service, envelope.method) == ("feedback.v1.FeedbackService", "WatchFeedbacks")
    assert envelope.timeout_nano == 0
    return feedback_pb2.WatchFeedbacksRequest.FromString(envelope.payload)
