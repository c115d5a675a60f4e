#!/usr/bin/env python3
"""Makes vectors.json, the golden messages and frames that the tests of every client check, and
pieces.json, those in pieces, which the tests of the daemon check as well: it reads what anybody may
send, a client what the daemon writes.

  make.py           writes both
  make.py --check   writes nothing; fails if a committed file differs

Needs protobuf and grpcio-tools, which Tests/support/install-python-clients.sh puts into
.build/venv-grpc. What each vector means stands here; the bytes come from Google's own library.
"""

import json
import pathlib
import random
import struct
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc
import grpc_tools

PROTO = pathlib.Path(__file__).resolve().parent.parent
VECTORS = PROTO / "vectors" / "vectors.json"
PIECES = PROTO / "vectors" / "pieces.json"
FILES = [
    "feedback/v1/admin.proto",
    "feedback/v1/delivery.proto",
    "feedback/v1/feedback.proto",
    "feedback/v1/session.proto",
    "grpc/health/v1/health.proto",
    "google/rpc/error_details.proto",
    "ttrpc/ttrpc.proto",
]
FEEDBACK = "feedback.v1.FeedbackService"
SESSION = "feedback.v1.SessionService"
DELIVERY = "feedback.v1.DeliveryService"
ADMIN = "feedback.v1.AdminService"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def load_pool():
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.NamedTemporaryFile() as file:
        arguments = [f"-I{PROTO}", f"-I{well_known}", "--include_imports"]
        if protoc.main(["protoc", *arguments, f"--descriptor_set_out={file.name}", *FILES]) != 0:
            sys.exit("make.py: the .proto files cannot be compiled")
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


POOL = load_pool()
vectors = []


def new(type_name):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(type_name))()


def to_json(message):
    return json_format.MessageToDict(message, descriptor_pool=POOL)


def read(type_name, data):
    """The meaning of a message as JSON with sorted keys, since maps have no order."""
    parsed = new(type_name)
    parsed.ParseFromString(data)
    return json.loads(json.dumps(to_json(parsed), sort_keys=True))


def encode(type_name, meaning):
    """The bytes of a message. Its meaning must be what is read back, written in the same way."""
    message = json_format.ParseDict(meaning, new(type_name), descriptor_pool=POOL)
    data = message.SerializeToString(deterministic=True)
    again = new(type_name)
    again.ParseFromString(data)
    assert to_json(again) == meaning, (type_name, meaning, to_json(again))
    return data


def field(number, content):
    """A field of raw bytes, or with a number."""
    if isinstance(content, bytes):
        return varint(number << 3 | 2) + varint(len(content)) + content
    return varint(number << 3) + varint(content & (1 << 64) - 1)


def varint(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data + bytes([value]))


# MARK: Messages in pieces


def split_fields(data):
    """The fields of an encoded message, each as its number and its own bytes."""
    fields, position = [], 0

    def read_varint():
        nonlocal position
        value, shift = 0, 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        start = position
        tag = read_varint()
        content = b""
        match tag & 7:
            case 0:
                read_varint()
            case 1:
                position += 8
            case 2:
                length = read_varint()
                content = data[position : position + length]
                position += length
            case 5:
                position += 4
        fields.append((tag >> 3, content, data[start:position]))
    return fields


def in_pieces(data, descriptor, chance):
    """The same fields in another order of fields, and with inner messages in pieces.

    A field keeps its order among those of its own number, so that lists stay what they are.
    """
    queues = {}
    for number, content, whole in split_fields(data):
        known = descriptor.fields_by_number.get(number)
        if known is None or known.message_type is None:
            queues.setdefault(number, []).append(whole)
            continue
        inner = in_pieces(content, known.message_type, chance)
        pieces = [b""]
        for _, _, part in split_fields(inner):
            if not known.is_repeated and chance.random() < 0.5:
                pieces.append(b"")
            pieces[-1] += part
        queues.setdefault(number, []).extend(field(number, piece) for piece in pieces)
    result = b""
    while queues:
        number = chance.choice(sorted(queues))
        result += queues[number].pop(0)
        if not queues[number]:
            del queues[number]
    return result


def pieces(name, type_name, *meanings):
    """Messages of which one overwrites the other, in pieces; Google's library says what they are."""
    chance = random.Random(name)
    data = b"".join(encode(type_name, meaning) for meaning in meanings)
    for number in range(1, 7):
        mixed = in_pieces(data, POOL.FindMessageTypeByName(type_name), chance)
        decode_only(f"{name}, in pieces {number}", type_name, mixed, read(type_name, mixed))


# MARK: Messages


def message(name, type_name, meaning):
    add(name, "message", encode(type_name, meaning), type=type_name, meaning=meaning)


def decode_only(name, type_name, data, meaning):
    """Bytes that have to be read like this, and that a good encoder does not write."""
    parsed = new(type_name)
    parsed.ParseFromString(data)
    parsed.DiscardUnknownFields()
    assert to_json(parsed) == meaning, (name, to_json(parsed))
    add(name, "message", data, type=type_name, decode_only=True, meaning=meaning)


def invalid(name, type_name, data, code, violation=None):
    """A request whose bytes a server refuses with that code."""
    refusal = {"code": code}
    if violation:
        refusal["field"] = violation
    add(name, "message", data, type=type_name, valid=False, **refusal)


def add(name, kind, data, **rest):
    assert all(vector["name"] != name for vector in vectors), name
    order = ["name", "kind", "type", "decode_only", "valid", "code", "field", "hex", "meaning"]
    values = {"name": name, "kind": kind, "hex": data.hex(), **rest}
    vectors.append({key: values[key] for key in order if key in values})


# MARK: Frames


def frame_bytes(stream_id, frame_type, flags, data):
    return struct.pack(">IIBB", len(data), stream_id, frame_type, flags) + data


def request_frame(
    name, service, method, payload, *, stream_id=1, flags=1, timeout_nano=0, metadata=()
):
    payload_type = f"{service.rpartition('.')[0]}.{method}Request"
    if service.startswith("grpc.health"):
        payload_type = "grpc.health.v1.HealthCheckRequest"
    request = new("ttrpc.Request")
    request.service = service
    request.method = method
    request.payload = encode(payload_type, payload)
    request.timeout_nano = timeout_nano
    for key, value in metadata:
        request.metadata.add(key=key, value=value)
    data = request.SerializeToString(deterministic=True)
    meaning = {
        "length": len(data),
        "stream_id": stream_id,
        "frame_type": 1,
        "flags": flags,
        "service": service,
        "method": method,
        "timeout_nano": timeout_nano,
        "metadata": [{"key": key, "value": value} for key, value in metadata],
        "payload_type": payload_type,
        "payload": payload,
        "payload_hex": request.payload.hex(),
    }
    add(name, "frame", frame_bytes(stream_id, 1, flags, data), meaning=meaning)


def response_frame(
    name, payload_type=None, payload=None, *, status=None, stream_id=1, flags=0, decode_only=False
):
    response = new("ttrpc.Response")
    meaning = {"stream_id": stream_id, "frame_type": 2, "flags": flags}
    if status is not None:
        response.status.SetInParent()
        json_format.ParseDict(status, response.status, descriptor_pool=POOL)
        assert to_json(response.status) == status
        meaning["status"] = status
    if payload_type:
        response.payload = encode(payload_type, payload)
        meaning |= {
            "payload_type": payload_type,
            "payload": payload,
            "payload_hex": response.payload.hex(),
        }
    data = response.SerializeToString(deterministic=True)
    rest = {"decode_only": True} if decode_only else {}
    add(
        name,
        "frame",
        frame_bytes(stream_id, 2, flags, data),
        meaning={"length": len(data), **meaning},
        **rest,
    )


def invalid_frame(name, data, code):
    """A frame that a server answers, on the frame's stream, with that code."""
    add(name, "frame", data, valid=False, code=code)


# MARK: What there is

EVERYTHING = {
    "sessionId": "user-123",
    "rating": "RATING_DOWN",
    "comment": "Zu langsam — 日本語 🎉\n\"e\u0301\"",
    "requestId": "request-1",
    "messageId": "message-1",
    "agentId": "agent-1",
    "author": {"source": "AUTHOR_SOURCE_HUMAN", "id": "anna"},
    "tags": ["slow", "größe", "slow"],
    "attributes": {"ключ": "ü"},
}
STORED = {
    "feedbackId": "018d3f60-5a00-7b1c-8a2f-0123456789ab",
    **{key: value for key, value in EVERYTHING.items() if key != "requestId"},
    "createdAt": "2024-01-22T15:00:00.123Z",
    "updatedAt": "2024-01-22T15:00:01.124Z",
}
SMALLEST = {
    "sessionId": "s",
    "createdAt": "1970-01-01T00:00:00Z",
    "updatedAt": "1970-01-01T00:00:00Z",
}
METADATA = {
    "object": {
        "list": [
            None, True, False, 0.0, -1.5, 1e300, "", "日本語 🎉", [], [[]], {}, {"null": None}
        ]
    }
}
METRICS = {
    "total": "11",
    "positive": "7",
    "negative": "3",
    "neutral": "1",
    "averageCommentLength": 26.0,
    "satisfactionRate": 63.63636363636363,
    "approvalRate": 70.0,
}
DESTINATION = {
    "name": "slack",
    "kind": "webhook",
    "position": "0123456789abcdef-42",
    "behindChanges": "4000000000",
    "behindSeconds": "86400",
    "retrying": "7",
    "dead": "3",
    "lastError": "HTTP status 500",
    "paused": True,
    "nextAttemptAt": "2024-01-22T15:00:02Z",
    "skipped": "2",
}
IDLE_DESTINATION = {"name": "größe", "kind": "log", "position": "0123456789abcdef-0"}
DEAD_DELIVERY = {
    "deliveryId": "0123456789abcdef-41",
    "destination": "slack",
    "feedbackId": STORED["feedbackId"],
    "sessionId": "user-123",
    "state": "DELIVERY_STATE_DEAD",
    "attempts": 42,
    "firstAttemptAt": "2024-01-22T15:00:00.124Z",
    "lastError": "HTTP status 500",
    "feedback": STORED,
}
RETRYING_DELIVERY = {
    "deliveryId": "1",
    "destination": "größe",
    "sessionId": "s",
    "state": "DELIVERY_STATE_RETRYING",
    "attempts": 1,
    "firstAttemptAt": "1970-01-01T00:00:00Z",
    "nextAttemptAt": "1970-01-01T00:00:00.001Z",
}
STATUS = {
    "version": "0.1.0",
    "startedAt": "2024-01-22T15:00:00.123Z",
    "store": "mongodb://db1:27017,db2:27017",
    "position": "0123456789abcdef-42",
    "destinations": [DESTINATION, IDLE_DESTINATION],
    "unreplicated": "4000000000",
    "unreplicatedSince": "2024-01-22T15:00:01.124Z",
}
VIOLATIONS = {
    "code": 3,
    "message": "comment: at most 10000 code points; author.id: größe",
    "details": [
        {
            "@type": BAD_REQUEST,
            "fieldViolations": [
                {"field": "comment", "description": "at most 10000 code points"},
                {"field": "author.id", "description": "größe"},
            ],
        }
    ],
}


def nested(levels):
    value = "innermost"
    for level in range(1, levels):
        value = [value] if level % 2 == 0 else {"k": value}
    return {"k": value}


def feedback_messages():
    request = "feedback.v1.AddFeedbackRequest"
    message("add request: nothing", request, {})
    message("add request: a session", request, {"sessionId": "user-123"})
    message("add request: all fields", request, EVERYTHING)
    message(
        "add request: the README's call",
        request,
        {"sessionId": "user-123", "rating": "RATING_UP", "comment": "Very helpful response!"},
    )
    message("add request: an author without fields", request, {"sessionId": "s", "author": {}})
    for source in ["MODEL", "CODE"]:
        author = {"source": f"AUTHOR_SOURCE_{source}"}
        message(f"add request: an author of source {source}", request, {"author": author})
    message(
        "add request: emoji of several code points",
        request,
        {"sessionId": "👩‍👩‍👧", "comment": "👩‍👩‍👧🇦🇹👍🏽", "tags": ["🎉"], "attributes": {"🔑": "🚪"}},
    )
    message("add request: a tag that is empty", request, {"sessionId": "s", "tags": ["", "a"]})
    message(
        "add request: control characters",
        request,
        {"sessionId": "s", "comment": "\x01\t\r\n\x7f\u0085\u2028\ufeff\U0010ffff"},
    )
    message(
        "add request: a comment of 300 code points and 1,200 bytes",
        request,
        {"sessionId": "s", "comment": "🎉" * 300},
    )
    decode_only(
        "add request: fields written with their defaults",
        request,
        field(1, b"s") + field(2, 0) + field(3, b"") + field(4, b""),
        {"sessionId": "s"},
    )
    decode_only(
        "add request: fields in another order, one twice",
        request,
        field(3, b"first") + field(2, 1) + field(3, b"last") + field(1, b"s"),
        {"sessionId": "s", "rating": "RATING_UP", "comment": "last"},
    )
    decode_only(
        "add request: fields of a later version",
        request,
        field(1, b"s") + field(1000, 7) + field(1001, b"\xff") + b"\xdd\x3e\x01\x02\x03\x04",
        {"sessionId": "s"},
    )
    decode_only(
        "add request: an attribute's value without its field, and a key twice",
        request,
        field(9, field(1, b"a"))
        + field(9, field(1, b"b") + field(2, b"1"))
        + field(9, field(1, b"b") + field(2, b"2")),
        {"attributes": {"a": "", "b": "2"}},
    )

    response = "feedback.v1.AddFeedbackResponse"
    message("add response: all fields", response, {"feedback": STORED, "replayed": True})
    message("add response: the least", response, {"feedback": SMALLEST})
    for what, moment in [
        ("before 1970", "1969-12-31T23:59:59.999Z"),
        ("the first", "0001-01-01T00:00:00Z"),
        ("the last", "9999-12-31T23:59:59.999Z"),
    ]:
        feedback = {"sessionId": "s", "createdAt": moment, "updatedAt": moment}
        message(f"add response: a moment, {what}", response, {"feedback": feedback})


def list_messages():
    request = "feedback.v1.ListFeedbacksRequest"
    message("list request: nothing", request, {})
    message(
        "list request: all fields",
        request,
        {
            "sessionId": "user-123",
            "ratings": ["RATING_DOWN"],
            "createdAtOrAfter": "1969-12-31T23:59:59.999Z",
            "createdBefore": "2024-01-22T15:00:00.123Z",
            "messageId": "message-1",
            "hasComment": True,
            "pageSize": 1000,
            "pageToken": "0123456789abcdef",
            "newestFirst": True,
        },
    )
    message("list request: those without a comment", request, {"hasComment": False})
    message("list request: neutral ones", request, {"ratings": ["RATING_UNSPECIFIED"]})
    message("list request: from the epoch on", request, {"createdAtOrAfter": SMALLEST["createdAt"]})
    message("list request: a negative page size", request, {"pageSize": -1})
    several = ["RATING_UNSPECIFIED", "RATING_UP", "RATING_DOWN"]
    # Their order is free: some languages have a set here.
    decode_only(
        "list request: several ratings", request, field(2, bytes([0, 1, 2])), {"ratings": several}
    )
    decode_only(
        "list request: several ratings, not packed",
        request,
        field(2, 0) + field(2, 1) + field(2, 2),
        {"ratings": several},
    )

    response = "feedback.v1.ListFeedbacksResponse"
    message("list response: nothing", response, {})
    message(
        "list response: all fields",
        response,
        {
            "feedbacks": [STORED, SMALLEST],
            "nextPageToken": "0123456789abcdef",
            "totalSize": str(2**63 - 1),
        },
    )


def watch_messages():
    request = "feedback.v1.WatchFeedbacksRequest"
    message("watch request: everything there is", request, {})
    message(
        "watch request: all fields",
        request,
        {
            "filter": {
                "sessionId": "user-123",
                "ratings": ["RATING_DOWN"],
                "createdAtOrAfter": "1969-12-31T23:59:59.999Z",
                "createdBefore": "2024-01-22T15:00:00.123Z",
                "messageId": "message-1",
                "hasComment": True,
            },
            "startPosition": "0123456789abcdef-42",
            "follow": True,
        },
    )
    message("watch request: from now on", request, {"fromNow": True, "follow": True})
    message("watch request: no comment", request, {"filter": {"hasComment": False}})
    decode_only("watch request: a filter without fields", request, field(1, b""), {"filter": {}})

    response = "feedback.v1.WatchFeedbacksResponse"
    left = {**SMALLEST, "feedbackId": STORED["feedbackId"], "updatedAt": "2024-01-22T15:00:00Z"}
    for kind, feedback in [
        ("ADDED", STORED), ("UPDATED", STORED), ("DELETED", left), ("LEFT", left)
    ]:
        change = {"position": "0123456789abcdef-42", "kind": f"KIND_{kind}", "feedback": feedback}
        message(f"watch response: {kind.lower()}", response, {"change": change})
    position = {"heartbeatPosition": "0123456789abcdef-42"}
    message("watch response: a heartbeat", response, position)


def metrics_messages():
    request = "feedback.v1.GetMetricsRequest"
    message("metrics request: nothing", request, {})
    message(
        "metrics request: all fields",
        request,
        {
            "sessionId": "user-123",
            "createdAtOrAfter": "1970-01-01T00:00:00Z",
            "createdBefore": "1970-01-01T00:00:00.001Z",
            "groupBy": "GROUP_BY_METADATA",
            "metadataKey": "größe",
        },
    )
    for group in ["SESSION", "HOUR", "DAY"]:
        message(f"metrics request: by {group}", request, {"groupBy": f"GROUP_BY_{group}"})

    response = "feedback.v1.GetMetricsResponse"
    message("metrics response: of nothing", response, {"metrics": {}})
    message(
        "metrics response: all fields",
        response,
        {
            "metrics": METRICS,
            "groups": [
                {"metrics": {"total": "1", "neutral": "1"}},
                {
                    "key": "größe 🎉",
                    "metrics": {
                        "total": "10",
                        "positive": "7",
                        "negative": "3",
                        "averageCommentLength": 28.5,
                        "satisfactionRate": 70.0,
                        "approvalRate": 70.0,
                    },
                },
            ],
        },
    )


def metadata_messages():
    request = "feedback.v1.UpdateMetadataRequest"
    message("update request: no keys", request, {"sessionId": "s", "metadata": {}})
    message(
        "update request: values of every kind",
        request,
        {"sessionId": "user-123", "metadata": METADATA},
    )
    message(
        "update request: 16 levels", request, {"sessionId": "s", "metadata": nested(16)}
    )
    decode_only(
        "update request: no metadata at all", request, field(1, b"s"), {"sessionId": "s"}
    )
    decode_only(
        "update request: a value without a kind is null",
        request,
        field(2, field(1, field(1, b"k") + field(2, field(1, 0)))),
        {"metadata": {"k": None}},
    )
    for name, request in [("get", "GetMetadataRequest"), ("delete", "DeleteMetadataRequest")]:
        message(f"{name} metadata request: nothing", f"feedback.v1.{request}", {})
    message(
        "get metadata request: a session",
        "feedback.v1.GetMetadataRequest",
        {"sessionId": "日本語 🎉"},
    )
    message(
        "delete metadata request: all fields",
        "feedback.v1.DeleteMetadataRequest",
        {"sessionId": "user-123", "keys": ["variant", "größe", "variant"]},
    )
    for name in ["Update", "Get", "Delete"]:
        response = f"feedback.v1.{name}MetadataResponse"
        message(f"{name.lower()} metadata response: no keys", response, {"metadata": {}})
        message(
            f"{name.lower()} metadata response: values of every kind",
            response,
            {"metadata": METADATA},
        )


def delivery_messages():
    message("list destinations request", "feedback.v1.ListDestinationsRequest", {})
    response = "feedback.v1.ListDestinationsResponse"
    message("list destinations response: nothing", response, {})
    both = {"destinations": [DESTINATION, IDLE_DESTINATION]}
    message("list destinations response: all fields", response, both)
    for method in ["Pause", "Resume"]:
        name = f"{method.lower()} destination"
        message(f"{name} request", f"feedback.v1.{method}DestinationRequest", {"name": "größe"})
        response = f"feedback.v1.{method}DestinationResponse"
        message(f"{name} response: all fields", response, {"destination": DESTINATION})
    request = "feedback.v1.RewindDestinationRequest"
    message("rewind destination request: all", request, {"name": "slack"})
    message(
        "rewind destination request: a position",
        request,
        {"name": "slack", "position": DESTINATION["position"]},
    )
    message(
        "rewind destination response: nothing was delivered",
        "feedback.v1.RewindDestinationResponse",
        {"destination": IDLE_DESTINATION},
    )
    message("test destination request", "feedback.v1.TestDestinationRequest", {"name": "slack"})
    response = "feedback.v1.TestDestinationResponse"
    message("test destination response: accepted", response, {})
    message("test destination response: refused", response, {"error": "HTTP status 500"})
    request = "feedback.v1.ListDeliveriesRequest"
    message("list deliveries request: dead letters", request, {"state": "DELIVERY_STATE_DEAD"})
    message(
        "list deliveries request: all fields",
        request,
        {
            "destination": "größe",
            "state": "DELIVERY_STATE_RETRYING",
            "pageSize": 1000,
            "pageToken": "0123456789abcdef",
            "withContent": True,
        },
    )
    response = "feedback.v1.ListDeliveriesResponse"
    message("list deliveries response: nothing", response, {})
    message(
        "list deliveries response: all fields",
        response,
        {
            "deliveries": [RETRYING_DELIVERY, DEAD_DELIVERY],
            "nextPageToken": "0123456789abcdef",
            "totalSize": "4000000000",
        },
    )
    for method, done in [("Retry", "retried"), ("Drop", "dropped")]:
        name = f"{method.lower()} deliveries"
        request = f"feedback.v1.{method}DeliveriesRequest"
        message(f"{name} request: all", request, {"destination": "slack", "all": True})
        some = {"destination": "slack", "deliveryIds": ["0123456789abcdef-41", "1"]}
        message(f"{name} request: some", request, some)
        response = f"feedback.v1.{method}DeliveriesResponse"
        message(f"{name} response: none", response, {})
        message(f"{name} response: many", response, {done: "4000000000"})


def admin_messages():
    message("get status request", "feedback.v1.GetStatusRequest", {})
    response = "feedback.v1.GetStatusResponse"
    message("get status response: all fields that are served", response, STATUS)
    started = {"startedAt": "1970-01-01T00:00:00Z", "version": "0.1.0", "store": "memory:"}
    message("get status response: no log and no destinations", response, started)


def other_messages():
    message("health request: the server", "grpc.health.v1.HealthCheckRequest", {})
    message("health request: a service", "grpc.health.v1.HealthCheckRequest", {"service": SESSION})
    for status in ["SERVING", "NOT_SERVING"]:
        message(
            f"health response: {status}", "grpc.health.v1.HealthCheckResponse", {"status": status}
        )
    message("status: fields at fault", "google.rpc.Status", VIOLATIONS)
    message("status: a code and a text", "google.rpc.Status", {"code": 14, "message": "größe 🎉"})
    detail = {
        "@type": "type.googleapis.com/google.protobuf.Timestamp",
        "value": SMALLEST["createdAt"],
    }
    several = {"code": 3, "message": "no", "details": [detail, *VIOLATIONS["details"]]}
    decode_only(
        "status: a detail that clients pass over",
        "google.rpc.Status",
        encode("google.rpc.Status", several),
        several,
    )


def messages_in_pieces():
    other = {
        **EVERYTHING, "author": {"source": "AUTHOR_SOURCE_CODE"}, "comment": "no", "tags": ["b"],
        "attributes": {"ключ": "", "a": "b"},
    }
    pieces("add request", "feedback.v1.AddFeedbackRequest", EVERYTHING, other)
    pieces(
        "add response",
        "feedback.v1.AddFeedbackResponse",
        {"feedback": {**STORED, "author": {"source": "AUTHOR_SOURCE_MODEL", "id": "m"}}},
        {"feedback": {"author": {"id": "n"}, "tags": ["b"]}, "replayed": True},
    )
    pieces(
        "list response",
        "feedback.v1.ListFeedbacksResponse",
        {"feedbacks": [STORED, SMALLEST, STORED], "totalSize": "3"},
    )
    pieces(
        "metrics request",
        "feedback.v1.GetMetricsRequest",
        {"sessionId": "s", "createdAtOrAfter": "2024-01-22T15:00:00.123Z"},
        {"createdAtOrAfter": "2025-01-22T15:00:00Z", "createdBefore": "2026-01-22T15:00:00.500Z"},
    )
    pieces(
        "metrics response",
        "feedback.v1.GetMetricsResponse",
        {"metrics": {"total": "12", "neutral": "2"}},
        {"metrics": METRICS, "groups": [{"key": "a", "metrics": METRICS}]},
    )
    pieces(
        "update request",
        "feedback.v1.UpdateMetadataRequest",
        {"sessionId": "s", "metadata": {"k": {"a": 1.0, "b": [1.0, {"c": "d"}]}, "l": [{}, []]}},
        {"metadata": {"k": {"b": {"c": None}, "e": [True]}, "text": "x"}},
    )
    pieces("get metadata response", "feedback.v1.GetMetadataResponse", {"metadata": METADATA})
    deliveries = {"deliveries": [RETRYING_DELIVERY, DEAD_DELIVERY], "totalSize": "2"}
    pieces("list deliveries response", "feedback.v1.ListDeliveriesResponse", deliveries)
    pieces("get status response", "feedback.v1.GetStatusResponse", STATUS)
    # A oneof: what came before its last other member does not count, what comes after it does.
    a, b, c = ({"a": 1.0}, {"b": 2.0}, {"c": 3.0})
    kinds = {}
    for key, value in [("a", a), ("b", b), ("c", c), ("list", [4.0]), ("text", "t")]:
        kinds[key] = encode("google.protobuf.Value", value)
    for order in ["a b", "a b list", "list a b", "a list b", "a text b c", "text list list a"]:
        value = b"".join(kinds[key] for key in order.split())
        data = field(2, field(1, field(1, b"k") + field(2, value)))
        update = "feedback.v1.UpdateMetadataRequest"
        decode_only(f"update request: a value of {order}", update, data, read(update, data))
    response = new("ttrpc.Response")
    json_format.ParseDict(VIOLATIONS, response.status, descriptor_pool=POOL)
    data = b"".join(
        field(1, part) for _, _, part in split_fields(response.status.SerializeToString())
    )
    meaning = {"stream_id": 1, "frame_type": 2, "flags": 0, "status": VIOLATIONS}
    add(
        "response frame: a status in pieces",
        "frame",
        frame_bytes(1, 2, 0, data),
        meaning={"length": len(data), **meaning},
        decode_only=True,
    )


def invalid_messages():
    add_request = "feedback.v1.AddFeedbackRequest"
    session = field(1, b"s")
    for what, text in [
        ("an overlong NUL", b"\xc0\x80"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("a byte that never is", b"\xff"),
        ("a cut character", b"\xf0\x9f\x8e"),
    ]:
        invalid(
            f"invalid add request: no UTF-8, {what}",
            add_request,
            session + field(3, text),
            "INVALID_ARGUMENT",
            "comment",
        )
    for number, where in [
        (3, "comment"), (4, "request_id"), (5, "message_id"), (6, "agent_id"), (8, "tags")
    ]:
        invalid(
            f"invalid add request: NUL in {where}",
            add_request,
            session + field(number, b"a\0b"),
            "INVALID_ARGUMENT",
            where,
        )
    invalid(
        "invalid add request: NUL in an author's id",
        add_request,
        session + field(7, field(2, b"\0")),
        "INVALID_ARGUMENT",
        "author.id",
    )
    invalid(
        "invalid add request: no UTF-8 in an attribute's value",
        add_request,
        session + field(9, field(1, b"k") + field(2, b"\xff")),
        "INVALID_ARGUMENT",
        "attributes.value",
    )
    invalid(
        "invalid add request: an unknown rating",
        add_request,
        session + field(2, 3),
        "INVALID_ARGUMENT",
        "rating",
    )
    invalid(
        "invalid add request: a negative rating",
        add_request,
        session + field(2, -1),
        "INVALID_ARGUMENT",
        "rating",
    )
    invalid(
        "invalid add request: an unknown source of an author",
        add_request,
        session + field(7, field(1, 4)),
        "INVALID_ARGUMENT",
        "author.source",
    )
    for what, rest in [
        ("a field cut short", b"\x1a\x05x"),
        ("an endless varint", b"\xff" * 11),
        ("wire type 7", b"\x1f"),
        ("field number 0", b"\x02\x00"),
        ("a number where text belongs", field(3, 1)),
    ]:
        invalid(f"invalid add request: {what}", add_request, session + rest, "INTERNAL")
    list_request = "feedback.v1.ListFeedbacksRequest"
    invalid(
        "invalid list request: an unknown rating among others",
        list_request,
        field(2, bytes([1, 9])),
        "INVALID_ARGUMENT",
        "ratings",
    )
    invalid(
        "invalid list request: negative nanoseconds",
        list_request,
        field(3, field(2, -1)),
        "INVALID_ARGUMENT",
        "created_at_or_after",
    )
    invalid(
        "invalid metrics request: a moment after the year 9999",
        "feedback.v1.GetMetricsRequest",
        field(3, field(1, 253_402_300_800)),
        "INVALID_ARGUMENT",
        "created_before",
    )
    invalid(
        "invalid metrics request: an unknown grouping",
        "feedback.v1.GetMetricsRequest",
        field(4, 99),
        "INVALID_ARGUMENT",
        "group_by",
    )
    invalid(
        "invalid list deliveries request: an unknown state",
        "feedback.v1.ListDeliveriesRequest",
        field(2, 3),
        "INVALID_ARGUMENT",
        "state",
    )
    invalid(
        "invalid retry deliveries request: all and some",
        "feedback.v1.RetryDeliveriesRequest",
        field(1, b"slack") + field(2, b"1") + field(3, 1),
        "INVALID_ARGUMENT",
        "all",
    )
    invalid(
        "invalid drop deliveries request: all and some",
        "feedback.v1.DropDeliveriesRequest",
        field(1, b"slack") + field(2, b"1") + field(3, 1),
        "INVALID_ARGUMENT",
        "all",
    )
    deep = field(3, b"innermost")
    for _ in range(100):
        deep = field(6, field(1, deep))
    invalid(
        "invalid update request: lists 100 levels deep",
        "feedback.v1.UpdateMetadataRequest",
        session + field(2, field(1, field(1, b"k") + field(2, deep))),
        "INVALID_ARGUMENT",
        "metadata",
    )


def frames():
    request_frame(
        "request frame: flags 0, as old clients send", FEEDBACK, "AddFeedback", EVERYTHING, flags=0
    )
    request_frame("request frame: remote closed", FEEDBACK, "AddFeedback", EVERYTHING)
    request_frame(
        "request frame: a deadline, metadata, a large stream id",
        FEEDBACK,
        "ListFeedbacks",
        {"hasComment": False},
        stream_id=2**32 - 1,
        timeout_nano=10_000_000_000,
        metadata=[("traceparent", "00-ab-01"), ("größe", "🎉"), ("traceparent", "")],
    )
    request_frame(
        "request frame: a deadline that has passed",
        FEEDBACK,
        "GetMetrics",
        {"groupBy": "GROUP_BY_DAY"},
        stream_id=3,
        timeout_nano=-1,
    )
    request_frame("request frame: no payload", FEEDBACK, "GetMetrics", {}, stream_id=5)
    metadata = {"sessionId": "user-123", "metadata": {"variant": "B"}}
    request_frame("request frame: UpdateMetadata", SESSION, "UpdateMetadata", metadata)
    request_frame("request frame: GetMetadata", SESSION, "GetMetadata", {"sessionId": "s"})
    keys = {"sessionId": "user-123", "keys": ["variant"]}
    request_frame("request frame: DeleteMetadata", SESSION, "DeleteMetadata", keys)
    request_frame("request frame: ListDestinations", DELIVERY, "ListDestinations", {})
    request_frame("request frame: PauseDestination", DELIVERY, "PauseDestination", {"name": "a"})
    retry = {"destination": "slack", "all": True}
    request_frame("request frame: RetryDeliveries", DELIVERY, "RetryDeliveries", retry)
    request_frame("request frame: GetStatus", ADMIN, "GetStatus", {})
    request_frame("request frame: health", "grpc.health.v1.Health", "Check", {})

    added = {"feedback": STORED, "replayed": True}
    response_frame("response frame: a reply", "feedback.v1.AddFeedbackResponse", added)
    response_frame(
        "response frame: an empty reply", "feedback.v1.ListFeedbacksResponse", {}, stream_id=3,
        decode_only=True,
    )
    deliveries = {"deliveries": [DEAD_DELIVERY], "totalSize": "1"}
    response_frame("response frame: deliveries", "feedback.v1.ListDeliveriesResponse", deliveries)
    response_frame("response frame: a status", "feedback.v1.GetStatusResponse", STATUS)
    response_frame(
        "response frame: a reply with a status of 0",
        "feedback.v1.AddFeedbackResponse",
        added,
        status={},
        stream_id=2**32 - 1,
        decode_only=True,
    )
    response_frame("response frame: an error with its fields", status=VIOLATIONS)
    response_frame(
        "response frame: an error without details",
        status={"code": 5, "message": "there is no session of this name"},
        stream_id=7,
    )
    response_frame(
        "response frame: an error with a payload, which is passed over",
        "feedback.v1.AddFeedbackResponse",
        added,
        status={"code": 14, "message": "the server is stopping"},
        decode_only=True,
    )

    request = new("ttrpc.Request")
    request.service, request.method = FEEDBACK, "GetMetrics"
    data = request.SerializeToString()
    for what, frame in [
        ("an even stream id", frame_bytes(2, 1, 1, data)),
        ("stream id 0", frame_bytes(0, 1, 1, data)),
        ("data on no stream", frame_bytes(9, 3, 1, data)),
        ("no request", frame_bytes(1, 1, 1, b"\xff")),
        ("a cut request", frame_bytes(1, 1, 1, data[:-1])),
    ]:
        invalid_frame(f"invalid frame: {what}", frame, "INVALID_ARGUMENT")
    request.service = "feedback.v1.NoSuchService"
    data = request.SerializeToString()
    invalid_frame("invalid frame: an unknown service", frame_bytes(1, 1, 1, data), "UNIMPLEMENTED")
    request.service, request.method = FEEDBACK, "getMetrics"
    data = request.SerializeToString()
    invalid_frame("invalid frame: an unknown method", frame_bytes(1, 1, 1, data), "UNIMPLEMENTED")


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: make.py [--check]")
    feedback_messages()
    list_messages()
    watch_messages()
    metrics_messages()
    metadata_messages()
    delivery_messages()
    admin_messages()
    other_messages()
    invalid_messages()
    frames()
    whole = len(vectors)
    messages_in_pieces()
    write_or_check(VECTORS, vectors[:whole])
    write_or_check(PIECES, vectors[whole:])


def write_or_check(path, those):
    text = json.dumps(those, ensure_ascii=True, indent=1) + "\n"
    if not sys.argv[1:]:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit(f"{path} differs from what make.py gives: run Proto/vectors/make.py")
    else:
        print(f"{path.name}: {len(those)} vectors are up to date")


if __name__ == "__main__":
    main()
