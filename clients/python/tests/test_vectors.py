"""The golden messages and frames that all clients agree on: Proto/vectors."""

import json
import struct
from datetime import timezone

import pytest
from conftest import ROOT
from feedbackd import AddedFeedback, FeedbackError, _calls, _operation, _ttrpc
from feedbackd._proto import (
    admin_pb2,
    delivery_pb2,
    error_details_pb2,
    feedback_pb2,
    health_pb2,
    replies_pb2,
    session_pb2,
    status_pb2,
    ttrpc_pb2,
)
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

VECTORS = json.loads((ROOT / "Proto/vectors/vectors.json").read_text())
MODULES = [
    admin_pb2,
    delivery_pb2,
    error_details_pb2,
    feedback_pb2,
    health_pb2,
    session_pb2,
    status_pb2,
    ttrpc_pb2,
]
CLASSES = {
    message.full_name.removeprefix("feedbackd.private."): getattr(module, name)
    for module in MODULES
    for name, message in module.DESCRIPTOR.message_types_by_name.items()
}
#: By the type of the answer.
REPLIES = {
    "feedback.v1.AddFeedbackResponse": replies_pb2.AddFeedbackReply,
    "feedback.v1.ListFeedbacksResponse": replies_pb2.ListFeedbacksReply,
    "feedback.v1.GetMetricsResponse": replies_pb2.GetMetricsReply,
    "feedback.v1.UpdateMetadataResponse": replies_pb2.UpdateMetadataReply,
    "feedback.v1.GetMetadataResponse": replies_pb2.GetMetadataReply,
    "feedback.v1.DeleteMetadataResponse": replies_pb2.DeleteMetadataReply,
    "feedback.v1.ListDeliveriesResponse": replies_pb2.ListDeliveriesReply,
    "feedback.v1.GetStatusResponse": replies_pb2.GetStatusReply,
    "grpc.health.v1.HealthCheckResponse": replies_pb2.CheckReply,
}


def read(data, payload_type="feedback.v1.AddFeedbackResponse"):
    """The message in a reply's data."""
    return _ttrpc.Method("", "", REPLIES[payload_type], lambda message: message).read(data)


def vectors(kind, **wanted):
    """Those that a client has to do with; what a server has to refuse is not among them."""
    chosen = [
        vector
        for vector in VECTORS
        if vector["kind"] == kind
        and vector.get("valid", True)
        # Its details are of a type that has another name here; test_statuses has them.
        and not (kind == "message" and vector["type"] == "google.rpc.Status")
        and all(vector["meaning"].get(key) == value for key, value in wanted.items())
    ]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=[vector["name"] for vector in chosen])


@vectors("message")
def test_messages_mean_what_they_should(vector):
    message = CLASSES[vector["type"]].FromString(bytes.fromhex(vector["hex"]))
    message.DiscardUnknownFields()
    assert json_format.MessageToDict(message) == vector["meaning"]


@vectors("message")
def test_messages_are_written_as_they_should_be(vector):
    if vector.get("decode_only"):
        return
    message = json_format.ParseDict(vector["meaning"], CLASSES[vector["type"]]())
    assert message.SerializeToString(deterministic=True).hex() == vector["hex"]


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS if v["kind"] == "message" and v["type"] == "google.rpc.Status"],
    ids=lambda vector: vector["name"],
)
def test_statuses_become_errors(vector):
    response = ttrpc_pb2.Response()
    response.status.ParseFromString(bytes.fromhex(vector["hex"]))
    check_error(response.SerializeToString(), vector["meaning"])


def check_error(data, status):
    if not status.get("code"):
        read(data)
        return
    with pytest.raises(FeedbackError) as caught:
        read(data)
    assert caught.value.code == status["code"]
    assert str(caught.value) == status.get("message", "")
    violations = [
        (violation.get("field", ""), violation.get("description", ""))
        for detail in status.get("details", [])
        for violation in detail.get("fieldViolations", [])
    ]
    assert [(one.field, one.description) for one in caught.value.violations] == violations


@vectors("frame", frame_type=1)
def test_request_frames(vector):
    meaning, data = vector["meaning"], bytes.fromhex(vector["hex"])
    assert len(data) == _ttrpc.HEADER_BYTES + meaning["length"]
    request = ttrpc_pb2.Request.FromString(data[_ttrpc.HEADER_BYTES :])
    assert request.payload.hex() == meaning["payload_hex"]
    assert (request.service, request.method) == (meaning["service"], meaning["method"])
    assert request.timeout_nano == meaning["timeout_nano"]
    # This client sends no metadata, but a deadline always, and says that nothing follows.
    if meaning["metadata"] or meaning["timeout_nano"] < 0 or meaning["flags"] != 1:
        return
    method = _ttrpc.Method(meaning["service"], meaning["method"], replies_pb2.CheckReply, bool)
    written = _ttrpc.request_data(method, request.payload, 10.0)
    assert _ttrpc.frame(meaning["stream_id"], written)[4:10] == data[4:10]
    ours = ttrpc_pb2.Request.FromString(written)
    assert ours.timeout_nano == 10_000_000_000
    ours.timeout_nano = meaning["timeout_nano"]
    assert ours.SerializeToString() == data[_ttrpc.HEADER_BYTES :]


@vectors("frame", frame_type=2)
def test_response_frames(vector):
    meaning = vector["meaning"]
    ((stream_id, data),) = _ttrpc.FrameDecoder().decode(bytes.fromhex(vector["hex"]))
    assert stream_id == meaning["stream_id"]
    assert len(data) == meaning["length"]
    status = meaning.get("status") or {}
    if status.get("code"):
        check_error(data, status)
        return
    message = read(data, meaning["payload_type"])
    assert json_format.MessageToDict(message) == meaning["payload"]
    assert message.SerializeToString(deterministic=True).hex() == meaning["payload_hex"]


def test_feedback_is_read_as_it_is_meant():
    """The conversion to values, against protobuf's own JSON."""
    responses = [
        vector
        for vector in VECTORS
        if vector.get("type") == "feedback.v1.AddFeedbackResponse" and vector.get("valid", True)
    ]
    assert responses
    for vector in responses:
        message = feedback_pb2.AddFeedbackResponse.FromString(bytes.fromhex(vector["hex"]))
        added, meaning = AddedFeedback(message), vector["meaning"]
        stored = meaning.get("feedback", {})
        assert added.replayed == meaning.get("replayed", False)
        assert added.feedback.comment == stored.get("comment", "")
        assert added.feedback.attributes == stored.get("attributes", {})
        assert list(added.feedback.tags) == stored.get("tags", [])
        if "createdAt" in stored:
            assert added.feedback.created_at == moment(stored["createdAt"])


def moment(text):
    """A time of protobuf's JSON; None of one that is not set."""
    if text is None:
        return None
    instant = Timestamp()
    instant.FromJsonString(text)
    return instant.ToDatetime(timezone.utc)


def test_changes_are_read_as_they_are_meant():
    chosen = [
        vector for vector in VECTORS if vector.get("type") == "feedback.v1.WatchFeedbacksResponse"
    ]
    assert chosen
    for vector in chosen:
        watch, data = _calls.watch_feedbacks(), bytes.fromhex(vector["hex"])
        watch.received(struct.pack(">IIBB", len(data), 1, 3, 0) + data)
        change, meaning = watch.next(), vector["meaning"]
        if "change" not in meaning:
            assert (change, watch.position) == (None, meaning["heartbeatPosition"])
            continue
        meaning = meaning["change"]
        assert watch.position == change.position == meaning["position"]
        assert f"KIND_{change.kind.name}" == meaning["kind"]
        stored = meaning["feedback"]
        assert change.feedback.feedback_id == stored["feedbackId"]
        assert change.feedback.comment == stored.get("comment", "")
        assert change.feedback.updated_at == moment(stored["updatedAt"])


def results(method, response_type):
    """The results of a method for the responses of the type, each with its meaning."""
    chosen = [vector for vector in VECTORS if vector.get("type") == response_type]
    assert chosen
    for vector in chosen:
        response = ttrpc_pb2.Response(payload=bytes.fromhex(vector["hex"]))
        yield method.read(response.SerializeToString()), vector["meaning"]


def test_the_status_is_read_as_it_is_meant():
    for status, meaning in results(_operation.GET_STATUS, "feedback.v1.GetStatusResponse"):
        assert status.version == meaning.get("version", "")
        assert status.store == meaning.get("store", "")
        assert status.position == meaning.get("position", "")
        assert status.unreplicated == int(meaning.get("unreplicated", 0))
        assert status.unreplicated_since == moment(meaning.get("unreplicatedSince"))
        destinations = meaning.get("destinations", [])
        assert len(status.destinations) == len(destinations)
        for destination, meant in zip(status.destinations, destinations, strict=True):
            assert (destination.name, destination.kind) == (meant["name"], meant["kind"])
            assert destination.position == meant["position"]
            for number in ("behind_changes", "behind_seconds", "retrying", "dead", "skipped"):
                words = number.split("_")
                key = words[0] + "".join(map(str.capitalize, words[1:]))
                assert getattr(destination, number) == int(meant.get(key, 0))
            assert destination.last_error == meant.get("lastError", "")
            assert destination.paused == meant.get("paused", False)
            assert destination.next_attempt_at == moment(meant.get("nextAttemptAt"))


def test_deliveries_are_read_as_they_are_meant():
    method, response_type = _operation.LIST_DELIVERIES, "feedback.v1.ListDeliveriesResponse"
    for (deliveries, _), meaning in results(method, response_type):
        for delivery, meant in zip(deliveries, meaning.get("deliveries", []), strict=True):
            assert delivery.delivery_id == meant["deliveryId"]
            assert delivery.destination == meant["destination"]
            assert f"DELIVERY_STATE_{delivery.state.name}" == meant["state"]
            assert delivery.feedback_id == meant.get("feedbackId", "")
            assert delivery.session_id == meant["sessionId"]
            assert delivery.attempts == meant["attempts"]
            assert delivery.first_attempt_at == moment(meant["firstAttemptAt"])
            assert delivery.next_attempt_at == moment(meant.get("nextAttemptAt"))
            assert delivery.last_error == meant.get("lastError", "")
            stored = meant.get("feedback")
            assert (delivery.feedback is None) == (stored is None)
            if delivery.feedback is not None:
                assert delivery.feedback.comment == stored["comment"]
