"""The part of ttrpc that single calls from Python need."""

import socket
import struct

FEEDBACK_SERVICE = "feedback.v1.FeedbackService"
REQUEST, REMOTE_CLOSED = 1, 1
HEADER = struct.Struct(">IIBB")


def call(client: socket.socket, service: str, method: str, payload: bytes = b"") -> bytes:
    """Makes the connection's first call and returns the response's payload."""
    data = _field(1, service.encode()) + _field(2, method.encode()) + _field(3, payload)
    client.sendall(HEADER.pack(len(data), 1, REQUEST, REMOTE_CLOSED) + data)
    length, _, _, _ = HEADER.unpack(_receive(client, HEADER.size))
    response = _receive(client, length)
    if response and response[0] != 2 << 3 | 2:
        raise OSError(f"{method} failed: {response!r}")
    _, start = _varint(response, 1)
    return response[start:]


def metrics_total(client: socket.socket) -> int:
    """Returns the number of feedbacks that GetMetrics counts in all sessions."""
    payload = call(client, FEEDBACK_SERVICE, "GetMetrics")
    # GetMetricsResponse.metrics (1) and in it Metrics.total (1), which a count of 0 leaves out.
    _, start = _varint(payload, 1)
    if payload[start : start + 1] != b"\x08":
        return 0
    return _varint(payload, start + 1)[0]


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(digits + bytes([value]))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the varint at an offset, and the offset after it."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value, at + 1
        at, shift = at + 1, shift + 7


def _receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise OSError("the server closed the connection")
        data += part
    return data
