"""ttrpc on the client's side, without any I/O: frames, requests, replies.

A frame is a header of 10 bytes and its data; see containerd's PROTOCOL.md of ttrpc.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError

from . import errors
from ._proto import error_details_pb2, status_pb2, ttrpc_pb2

#: Data length, stream id, type, flags.
_HEADER = struct.Struct(">IIBB")
HEADER_BYTES = _HEADER.size
_REQUEST, _RESPONSE = 1, 2
_REMOTE_CLOSED = 1
#: A frame's data, in both directions.
DATA_BYTES_MAX = 4 << 20
#: The last id that a connection uses; the next calls get a new connection.
STREAM_ID_MAX = 0x7FFF_FFFF
#: Violations and details of one error that are looked at.
_DETAILS_MAX = 32

_PAYLOAD_TAG = b"\x1a"
_TIMEOUT_TAG = b"\x20"
_TIMEOUT_NANO_MAX = (1 << 63) - 1


class ProtocolError(Exception):
    """The peer does not speak ttrpc, or breaks its rules: the connection is of no use any more."""


class Method:
    """A method's name, with the beginning of all its requests."""

    __slots__ = ("decode", "prefix")

    def __init__(self, service: str, name: str, reply: Any) -> None:
        """The reply is a class of replies.proto."""
        request = ttrpc_pb2.Request(service=service, method=name)
        self.prefix = request.SerializeToString() + _PAYLOAD_TAG
        self.decode = reply.FromString


def request_data(method: Method, payload: bytes, timeout_seconds: float) -> bytes:
    """The data of a request's frame.

    Written out, since a message object of the envelope would cost as much as the payload's.

    Raises RESOURCE_EXHAUSTED if it is too large for the server.
    """
    data = b"".join(
        (method.prefix, varint(len(payload)), payload, _timeout(timeout_seconds))
    )
    if len(data) > DATA_BYTES_MAX:
        raise errors.ResourceExhaustedError(
            f"the message has {len(data)} bytes, at most {DATA_BYTES_MAX} are accepted"
        )
    return data


def frame(stream_id: int, data: bytes) -> bytes:
    """The frame of a unary call's request."""
    return _HEADER.pack(len(data), stream_id, _REQUEST, _REMOTE_CLOSED) + data


def payload_of(method: Method, data: bytes) -> Any:
    """The message in a reply's data; raises what the status says."""
    try:
        reply = method.decode(data)
    except DecodeError:
        raise errors.InternalError("the answer cannot be decoded") from None
    if reply.HasField("status") and reply.status.code != 0:
        raise _error_of(reply.status)
    return reply.payload


def _error_of(status: status_pb2.Status) -> errors.FeedbackError:
    violations: list[errors.FieldViolation] = []
    retry_after: float | None = None
    for detail in status.details[:_DETAILS_MAX]:
        try:
            match detail.type_url.rpartition("/")[2]:
                case "google.rpc.BadRequest":
                    bad_request = error_details_pb2.BadRequest.FromString(detail.value)
                    violations += [
                        errors.FieldViolation(violation.field, violation.description)
                        for violation in bad_request.field_violations[:_DETAILS_MAX]
                    ]
                case "google.rpc.RetryInfo":
                    delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                    retry_after = delay.seconds + delay.nanos / 1e9
        except DecodeError:
            continue
    return errors.error_of(status.code, status.message, violations, retry_after)


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> bytes:
    """The field timeout_nano. Nearly all calls have the same."""
    return _TIMEOUT_TAG + varint(min(max(int(seconds * 1e9), 1), _TIMEOUT_NANO_MAX))


def varint(value: int) -> bytes:
    """A number of protobuf."""
    return _VARINTS[value] if value < _VARINTS_COUNT else _new_varint(value)


def _new_varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


#: The lengths of nearly all texts and payloads.
_VARINTS_COUNT = 1024
_VARINTS = [_new_varint(value) for value in range(_VARINTS_COUNT)]


class FrameDecoder:
    """Cuts a stream of bytes into replies."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        #: The beginning of a frame whose end has not arrived.
        self._rest = bytearray()

    def decode(self, received: bytes) -> list[tuple[int, bytes]]:
        """The stream ids and data of the replies that are complete with these bytes.

        Raises ProtocolError for a frame that no server sends.
        """
        if not self._rest and len(received) >= HEADER_BYTES:
            # Nearly always: one whole reply.
            length, stream_id, kind, _ = _HEADER.unpack_from(received)
            if length + HEADER_BYTES == len(received) and kind == _RESPONSE:
                return [(stream_id, received[HEADER_BYTES:])]
        self._rest += received
        replies = []
        position = 0
        rest = memoryview(self._rest)
        try:
            while len(rest) - position >= HEADER_BYTES:
                length, stream_id, kind, _ = _HEADER.unpack_from(rest, position)
                if length > DATA_BYTES_MAX:
                    raise ProtocolError(f"a frame of {length} bytes")
                end = position + HEADER_BYTES + length
                if end > len(rest):
                    break
                # Other kinds are parts of streams, and nobody here has asked for one.
                if kind == _RESPONSE:
                    replies.append((stream_id, bytes(rest[position + HEADER_BYTES : end])))
                position = end
        finally:
            rest.release()
        del self._rest[:position]
        return replies
