"""Every verb, with what goes in, what comes out, and what is refused."""

import os
import pickle
import random
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from feedbackd import (
    Author,
    AuthorSource,
    Code,
    FeedbackClient,
    FeedbackError,
    FieldViolation,
    GroupBy,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    Rating,
    ResourceExhaustedError,
    UnavailableError,
    _calls,
)
from feedbackd._proto import feedback_pb2
from feedbackd._request_ids import new_request_id

from conftest import Daemon


def test_a_feedback_comes_back_with_all_its_fields(client):
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    added = client.add_feedback(
        "s",
        Rating.DOWN,
        "war falsch",
        request_id="r",
        message_id="m",
        agent_id="a",
        author=Author(AuthorSource.HUMAN, "eve"),
        tags=["wrong", "late"],
        attributes={"model": "x"},
    )
    stored = added.feedback
    assert not added.replayed
    assert (stored.session_id, stored.rating, stored.comment) == ("s", Rating.DOWN, "war falsch")
    assert (stored.message_id, stored.agent_id) == ("m", "a")
    assert stored.author == Author(AuthorSource.HUMAN, "eve")
    assert stored.tags == ("wrong", "late")
    assert stored.attributes == {"model": "x"}
    assert len(stored.feedback_id) == 36
    assert before < stored.created_at < datetime.now(timezone.utc) + timedelta(seconds=1)
    assert stored.created_at.microsecond % 1000 == 0
    assert stored.updated_at == stored.created_at
    assert list(client.list_feedbacks("s")) == [stored]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (None, Rating.NONE),
        ("up", Rating.UP),
        ("down", Rating.DOWN),
        (Rating.NONE, Rating.NONE),
        (Rating.UP, Rating.UP),
    ],
)
def test_ratings_are_given_by_name_or_by_value(client, given, stored):
    assert client.add_feedback("s", given).feedback.rating is stored


@pytest.mark.parametrize(
    "text",
    ["", "é", "👩‍👩‍👧‍👦 \u202e", "\u0001", "日本語" * 3333, "\U0010ffff" * 10_000],
    ids=["empty", "two bytes", "joined", "control", "three bytes", "largest"],
)
def test_text_travels_unchanged(client, text):
    assert client.add_feedback("ß", None, text).feedback.comment == text
    assert [feedback.comment for feedback in client.list_feedbacks("ß")] == [text]


@pytest.mark.parametrize("rating", [None, "up", "down"])
@pytest.mark.parametrize("size", [0, 1, 127, 128, 1023, 1024, 20_000])
@pytest.mark.parametrize(
    "further",
    [
        {},
        {"message_id": "m"},
        {"agent_id": "a"},
        {"author": Author()},
        {"author": Author(AuthorSource.CODE, "é")},
        {"tags": ["", "t"]},
        {"attributes": {"k": "v", "l": ""}},
    ],
    ids=str,
)
def test_requests_are_what_protobuf_makes_of_them(rating, size, further):
    values = {"message_id": "", "agent_id": "", "author": None, "tags": (), "attributes": None}
    values |= further
    written = _calls.add_feedback("ß" * 20, rating, "c" * size, request_id="r", **values).payload
    if author := values["author"]:
        values["author"] = feedback_pb2.Author(source=author.source, id=author.id)
    assert feedback_pb2.AddFeedbackRequest.FromString(
        written
    ) == feedback_pb2.AddFeedbackRequest(
        session_id="ß" * 20,
        rating={None: 0, "up": 1, "down": 2}[rating],
        comment="c" * size,
        request_id="r",
        **values,
    )


def test_values_cannot_be_changed(client):
    feedback = client.add_feedback("s", "up").feedback
    with pytest.raises(AttributeError):
        feedback.comment = "another"


def test_a_repeated_request_id_answers_with_the_original(client):
    first = client.add_feedback("s", "up", "first", request_id="r")
    again = client.add_feedback("s", "down", "second", request_id="r")
    assert again.replayed
    assert again.feedback == first.feedback
    assert client.get_metrics("s").metrics.total == 1


def test_each_call_has_a_request_id_of_its_own(client):
    for _ in range(3):
        assert not client.add_feedback("s", "up", "same").replayed
    assert client.get_metrics("s").metrics.total == 3


def test_request_ids_are_uuids_that_begin_with_the_time():
    before = time.time_ns() // 1_000_000
    made = [new_request_id().decode() for _ in range(10_000)]
    after = time.time_ns() // 1_000_000
    for text in made:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert before <= parsed.int >> 80 <= after
    assert len(set(made)) == len(made)


def test_request_ids_of_a_child_are_not_its_parents(monkeypatch):
    """Nor do they repeat when the program seeds the module's own numbers, or the clock stands."""
    monkeypatch.setattr("feedbackd._request_ids.time_ns", lambda: 0)
    reading, writing = os.pipe()
    random.seed(1)
    if os.fork() == 0:
        os.write(writing, new_request_id())
        os._exit(0)
    os.wait()
    with open(reading, "rb") as childs:
        os.close(writing)
        seen = {childs.read(), new_request_id()}
    random.seed(1)
    seen.add(new_request_id())
    assert len(seen) == 3


def test_lists_go_on_from_page_to_page(client):
    for index in range(25):
        client.add_feedback("s", "up" if index % 5 else "down", str(index))
    comments = [feedback.comment for feedback in client.list_feedbacks("s", page_size=4)]
    assert comments == [str(index) for index in range(25)]
    newest = client.list_feedbacks("s", page_size=10, newest_first=True)
    assert [feedback.comment for feedback in newest] == comments[::-1]
    downs = client.list_feedbacks(ratings=(r for r in ["down"]), page_size=2)
    assert [feedback.comment for feedback in downs] == ["0", "5", "10", "15", "20"]


def test_a_page_tells_how_many_there_are_and_where_the_next_begins(client):
    for index in range(5):
        client.add_feedback("s", "up", str(index))
    page = client.list_page("s", page_size=2)
    assert [feedback.comment for feedback in page.feedbacks] == ["0", "1"]
    assert page.total_size == 5
    page = client.list_page("s", page_size=4, page_token=page.next_page_token)
    assert [feedback.comment for feedback in page.feedbacks] == ["2", "3", "4"]
    assert page.next_page_token == ""


def test_lists_are_filtered(client):
    client.add_feedback("s", "up", "", message_id="m1")
    stored = client.add_feedback("s", None, "c", message_id="m2").feedback
    assert list(client.list_feedbacks("s", has_comment=True)) == [stored]
    assert list(client.list_feedbacks("s", has_comment=False, message_id="m2")) == []
    assert list(client.list_feedbacks(message_id="m2")) == [stored]
    assert list(client.list_feedbacks(ratings=[None])) == [stored]
    moment = stored.created_at + timedelta(milliseconds=1)
    assert list(client.list_feedbacks(created_at_or_after=moment)) == []
    assert len(list(client.list_feedbacks(created_before=moment))) == 2
    # The same instant on another clock.
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert len(list(client.list_feedbacks(created_before=elsewhere))) == 2
    assert list(client.list_feedbacks("unknown")) == []


def test_pages_of_long_comments_are_all_there(client):
    for _ in range(120):
        client.add_feedback("s", None, "\U0010ffff" * 10_000)
    assert sum(1 for _ in client.list_feedbacks("s", page_size=1000)) == 120


def test_metrics_are_counted_and_grouped(client):
    client.update_metadata("a", {"variant": "A"})
    client.update_metadata("b", {"variant": "B"})
    client.add_feedback("a", "up", "four")
    client.add_feedback("a", "down")
    client.add_feedback("b", "up", "é" * 8)
    client.add_feedback("b", None)
    report = client.get_metrics()
    assert (report.metrics.total, report.metrics.positive) == (4, 2)
    assert (report.metrics.negative, report.metrics.neutral) == (1, 1)
    assert report.metrics.average_comment_length == 3
    assert report.metrics.satisfaction_rate == 50
    assert report.metrics.approval_rate == pytest.approx(200 / 3)
    assert report.groups == {}
    by_session = client.get_metrics(group_by=GroupBy.SESSION).groups
    assert {key: metrics.total for key, metrics in by_session.items()} == {"a": 2, "b": 2}
    variants = client.get_metrics("b", group_by=GroupBy.METADATA, metadata_key="variant").groups
    assert {key: metrics.positive for key, metrics in variants.items()} == {"B": 1}
    assert client.get_metrics("unknown").metrics.total == 0
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    assert client.get_metrics(created_at_or_after=tomorrow).metrics.total == 0


METADATA = {
    "text": "ä",
    "whole": 5,
    "negative": -3,
    "fraction": 1.5,
    "large": 2**53,
    "yes": True,
    "no": False,
    "nothing": None,
    "list": [1, "two", [3.5], {}, []],
    "object": {"in": {"it": None}},
}


def test_metadata_keeps_the_types_of_json(client):
    assert client.update_metadata("s", METADATA) == METADATA
    read = client.get_metadata("s")
    assert read == METADATA
    assert {key: type(value) for key, value in read.items()} == {
        key: type(value) for key, value in METADATA.items()
    }


def test_metadata_is_merged_and_deleted_by_key(client):
    client.update_metadata("s", {"a": 1, "b": {"x": 1}})
    assert client.update_metadata("s", {"b": {"y": 2}}) == {"a": 1, "b": {"y": 2}}
    assert client.update_metadata("s", {}) == {"a": 1, "b": {"y": 2}}
    assert client.delete_metadata("s", ["a", "unknown"]) == {"b": {"y": 2}}


def cyclic(**items):
    value = dict(items)
    value["again"] = value
    return value


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": 2**53 + 1},
        {"a": float("nan")},
        {"a": "\ud800"},
        {"a.b": 1},
        {"$a": 1},
        {"a": "x" * 70_000},
        cyclic(),
        cyclic(a="\ud800"),
    ],
)
def test_metadata_that_cannot_be_stored_is_refused(client, metadata):
    with pytest.raises(InvalidArgumentError) as caught:
        client.update_metadata("s", metadata)
    assert {violation.field for violation in caught.value.violations} == {"metadata"}


def test_metadata_of_an_unknown_session_is_not_found(client):
    for call in (client.get_metadata, lambda session: client.delete_metadata(session, ["a"])):
        with pytest.raises(NotFoundError) as caught:
            call("unknown")
        assert isinstance(caught.value, LookupError)
        assert caught.value.code is Code.NOT_FOUND


def test_health_tells_whether_calls_are_served(client):
    assert client.health()
    assert client.health("feedback.v1.FeedbackService")
    with pytest.raises(NotFoundError):
        client.health("no.such.Service")


def test_an_error_names_every_field_at_fault(client):
    with pytest.raises(InvalidArgumentError) as caught:
        client.add_feedback(
            "",
            "up",
            "x" * 10_001,
            request_id="r" * 256,
            message_id="m" * 256,
            agent_id="a" * 256,
            author=Author(id="i" * 256),
            tags=["t"] * 17,
            attributes={"k" * 65: "v" * 1025},
        )
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.code is Code.INVALID_ARGUMENT
    assert [violation.field for violation in error.violations] == [
        "session_id",
        "request_id",
        "message_id",
        "agent_id",
        "author.id",
        "comment",
        "tags",
        "attributes.key",
        "attributes.value",
    ]
    for violation in error.violations:
        assert f"{violation.field}: {violation.description}" in str(error)
    assert client.get_metrics().metrics.total == 0


@pytest.mark.parametrize("rating", ["maybe", "UP", "", 1, True, ["up"]])
def test_an_unknown_rating_is_refused(client, rating):
    with pytest.raises(InvalidArgumentError) as caught:
        client.add_feedback("s", rating)
    assert caught.value.violations == (FieldViolation("rating", 'must be "up", "down" or None'),)


@pytest.mark.parametrize(
    "fields",
    [
        {"comment": "a\ud800"},
        {"request_id": "\ud800"},
        {"message_id": "\ud800"},
        {"agent_id": "\ud800"},
        {"tags": ["\ud800"]},
        {"attributes": {"k": "\ud800"}},
        {"comment": "\0"},
    ],
)
def test_text_that_is_none_is_refused(client, fields):
    with pytest.raises(InvalidArgumentError) as caught:
        client.add_feedback("s", "up", **fields)
    assert [violation.field for violation in caught.value.violations] == list(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"comment": 5},
        {"comment": b"bytes"},
        {"request_id": 5},
        {"tags": "a"},
        {"tags": [5]},
        {"attributes": {"k": 5}},
    ],
)
def test_a_wrong_type_is_the_programs_mistake(client, fields):
    with pytest.raises(TypeError, match=next(iter(fields))):
        client.add_feedback("s", "up", **fields)


def test_what_is_wrong_with_a_list_is_said_before_it_is_consumed(client):
    with pytest.raises(InvalidArgumentError, match="time zone"):
        client.list_feedbacks(created_before=datetime(2024, 1, 1))
    with pytest.raises(InvalidArgumentError, match="ratings"):
        client.list_feedbacks(ratings=["maybe"])
    with pytest.raises(TypeError, match="ratings"):
        client.list_feedbacks(ratings="up")
    with pytest.raises(InvalidArgumentError, match="page_size"):
        next(client.list_feedbacks(page_size=1001))


def test_a_message_above_the_limit_is_refused_and_the_next_is_not(client):
    with pytest.raises(ResourceExhaustedError, match="4194304"):
        client.add_feedback("s", "up", "x" * (4 << 20))
    # Below the limit of messages, above that of comments: it travels, and the server refuses it.
    with pytest.raises(InvalidArgumentError, match="10000"):
        client.add_feedback("s", "up", "x" * (3 << 20))
    client.add_feedback("s", "up")


def test_a_rate_limit_says_when_to_try_again(folder):
    configuration = folder / "feedbackd.yaml"
    configuration.write_text(
        "hooks: {order: [limit], limit: {kind: validation, adds_per_minute_per_session: 1}}"
    )
    daemon = Daemon(folder, "memory:", "--config", str(configuration))
    daemon.start()
    try:
        with FeedbackClient(daemon.socket) as client:
            client.add_feedback("a")
            with pytest.raises(ResourceExhaustedError) as caught:
                client.add_feedback("a")
            assert 0 < caught.value.retry_after <= 70
            client.add_feedback("b")
    finally:
        daemon.stop()


def test_no_daemon_is_unavailable_when_the_deadline_has_passed(folder):
    with pytest.raises(UnavailableError, match=str(folder)) as caught:
        FeedbackClient(folder / "nothing", timeout=0.2).health()
    assert isinstance(caught.value, ConnectionError)


def test_a_socket_that_may_not_be_opened_is_told_apart(folder, monkeypatch):
    class Refusing:
        def __init__(self, *_):
            pass

        def settimeout(self, _):
            pass

        def connect(self, _):
            raise PermissionError(13, "Permission denied")

        def close(self):
            pass

    # Root may open every socket, so the kernel's answer is played.
    monkeypatch.setattr("feedbackd._address.socket.socket", Refusing)
    with pytest.raises(PermissionDeniedError) as caught:
        FeedbackClient(folder / "s").health()
    assert isinstance(caught.value, PermissionError)


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 108])
def test_what_cannot_be_a_sockets_path_is_refused(path):
    with pytest.raises(InvalidArgumentError):
        FeedbackClient(path)


def test_the_default_socket_is_the_daemons(monkeypatch):
    monkeypatch.setenv("FEEDBACKD_SOCKET", "/a/b")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert FeedbackClient().socket == "/a/b"
    monkeypatch.delenv("FEEDBACKD_SOCKET")
    assert FeedbackClient().socket == "/run/user/7/feedbackd/feedbackd.sock"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert FeedbackClient().socket == "/run/feedbackd/feedbackd.sock"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert FeedbackClient().socket == "/tmp/feedbackd-1000/feedbackd.sock"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1.1e9])
def test_a_timeout_is_above_zero_and_has_an_end(client, timeout):
    with pytest.raises(ValueError, match="timeout"):
        client.health(timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        FeedbackClient("s", timeout=timeout)


@pytest.mark.parametrize("timeout", [1e9, 60, 30.5])
def test_any_other_timeout_is_taken(client, timeout):
    assert client.health(timeout=timeout)


def test_errors_survive_pickling():
    error = InvalidArgumentError("m", [FieldViolation("f", "d")])
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is InvalidArgumentError
    assert (str(copy), copy.violations, copy.code) == ("m", error.violations, error.code)
    assert isinstance(copy, FeedbackError)
