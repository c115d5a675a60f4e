"""ttrpc on the client's side, without any I/O: frames, requests, replies.

A frame is a header of 10 bytes and its data; see containerd's PROTOCOL.md of ttrpc.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from . import errors
from ._proto import error_details_pb2, status_pb2, ttrpc_pb2

#: Data length, stream id, type, flags.
_HEADER = struct.Struct(">IIBB")
HEADER_BYTES = _HEADER.size
_REQUEST, _RESPONSE, _DATA = 1, 2, 3
_REMOTE_CLOSED, _NO_DATA = 1, 4
#: The limit of a frame's data, in both directions.
DATA_BYTES_MAX = 4 << 20
#: The last id that a connection uses; later calls get a new connection.
STREAM_ID_MAX = 0x7FFF_FFFF
#: The limit of details that are read of one error, and of violations in each.
_DETAILS_MAX = 32

_PAYLOAD_TAG = b"\x1a"
_TIMEOUT_TAG = b"\x20"
_TIMEOUT_NANO_MAX = (1 << 63) - 1

_Result = TypeVar("_Result")


class ProtocolError(Exception):
    """The peer does not speak ttrpc: the connection cannot be used any more."""


class Method(Generic[_Result]):
    """A method of the server: encodes the start of its requests, and reads its replies."""

    __slots__ = ("_decode", "_result", "prefix")

    def __init__(
        self, service: str, name: str, reply: Any, result: Callable[[Any], _Result]
    ) -> None:
        """``reply`` is a class of replies.proto, and ``result`` converts the payload in it."""
        request = ttrpc_pb2.Request(service=service, method=name)
        self.prefix = request.SerializeToString() + _PAYLOAD_TAG
        self._decode = reply.FromString
        self._result = result

    def read(self, data: bytes) -> _Result:
        """Returns the result in a reply's data; raises the error of its status."""
        try:
            reply = self._decode(data)
        except DecodeError:
            raise errors.InternalError("the answer cannot be decoded") from None
        if reply.HasField("status") and reply.status.code != 0:
            raise _error_of(reply.status)
        return self._result(reply.payload)


def request_data(method: Method[Any], payload: bytes, timeout_seconds: float | None) -> bytes:
    """Encodes a request's envelope, which is the data of its frame; None is no time limit.

    It is written out here, since protobuf would take as long for it as for the payload.

    Raises RESOURCE_EXHAUSTED if it is too large for the server.
    """
    timeout = b"" if timeout_seconds is None else _timeout(timeout_seconds)
    data = b"".join((method.prefix, VARINTS[len(payload)], payload, timeout))
    if len(data) > DATA_BYTES_MAX:
        raise errors.ResourceExhaustedError(
            f"the message has {len(data)} bytes, at most {DATA_BYTES_MAX} are accepted"
        )
    return data


def frame(stream_id: int, data: bytes) -> bytes:
    """Encodes the frame of a request that no further message of the client's follows."""
    return _HEADER.pack(len(data), stream_id, _REQUEST, _REMOTE_CLOSED) + data


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
    return errors.error_of_status(status.code, status.message, violations, retry_after)


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> bytes:
    """Encodes the field timeout_nano; cached, since nearly all calls have the same."""
    return _TIMEOUT_TAG + VARINTS[min(max(int(seconds * 1e9), 1), _TIMEOUT_NANO_MAX)]


class _Varints(dict[int, bytes]):
    """Protobuf's varints by value; the ones that it holds are looked up without a call."""

    def __missing__(self, value: int) -> bytes:
        digits = bytearray()
        while value > 0x7F:
            digits.append(value & 0x7F | 0x80)
            value >>= 7
        digits.append(value)
        return bytes(digits)


VARINTS = _Varints()
#: The lengths of nearly all texts and payloads.
VARINTS.update((length, VARINTS[length]) for length in range(1024))


class Frame(NamedTuple):
    """A frame that the server sent."""

    stream_id: int
    kind: int
    flags: int
    data: bytes

    @property
    def is_response(self) -> bool:
        """True if the data is the outcome of the call."""
        return self.kind == _RESPONSE

    @property
    def has_message(self) -> bool:
        """True if the data is a message of a streaming call."""
        return self.kind == _DATA and not self.flags & _NO_DATA

    @property
    def is_last(self) -> bool:
        """True if no further frame of the call follows."""
        return self.kind == _RESPONSE or self.kind == _DATA and bool(self.flags & _REMOTE_CLOSED)


class FrameDecoder:
    """Splits a stream of bytes into frames."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        #: The received part of an incomplete frame.
        self._rest = bytearray()

    def decode(self, received: bytes) -> list[tuple[int, bytes]]:
        """Returns the stream ids and the data of the replies that these bytes complete.

        Raises ProtocolError for a frame that no server sends.
        """
        if not self._rest and len(received) >= HEADER_BYTES:
            # Nearly always, one whole reply has been received.
            length, stream_id, kind, _ = _HEADER.unpack_from(received)
            if length + HEADER_BYTES == len(received) and kind == _RESPONSE:
                return [(stream_id, received[HEADER_BYTES:])]
        # Frames of other types belong to streaming calls, which have connections of their own.
        return [(one.stream_id, one.data) for one in self.frames(received) if one.is_response]

    def frames(self, received: bytes) -> list[Frame]:
        """Returns the frames of any type that these bytes complete; raises as `decode` does."""
        self._rest += received
        frames = []
        position = 0
        rest = memoryview(self._rest)
        try:
            while len(rest) - position >= HEADER_BYTES:
                length, stream_id, kind, flags = _HEADER.unpack_from(rest, position)
                if length > DATA_BYTES_MAX:
                    raise ProtocolError(f"a frame of {length} bytes")
                end = position + HEADER_BYTES + length
                if end > len(rest):
                    break
                data = bytes(rest[position + HEADER_BYTES : end])
                frames.append(Frame(stream_id, kind, flags, data))
                position = end
        finally:
            rest.release()
        del self._rest[:position]
        return frames
