"""Watches without sockets, clocks and threads: splits of the input, positions, errors."""

import pytest
from feedbackd import (
    ChangeKind,
    InternalError,
    NotFoundError,
    OutOfRangeError,
    UnavailableError,
    _calls,
)
from watch_frames import (
    END,
    REMOTE_CLOSED,
    RESPONSE,
    change,
    framed,
    heartbeat,
    refusal,
    request_of,
)


def begun(**arguments):
    watch = _calls.watch_feedbacks(**arguments)
    request_of(watch.request())
    return watch


def taken(watch, *parts):
    """The changes that can be taken after each of the parts."""
    changes = []
    for part in parts:
        watch.received(part)
        while (one := watch.next()) is not None:
            changes.append((one.kind, one.position, one.feedback.comment))
    return changes


STREAM = (
    change("1", "a")
    + heartbeat("2")
    + change("3", "b" * 300, kind=2)
    # Messages of other types, events and kinds belong to newer servers.
    + framed(b"later", kind=9)
    + framed(b"\x7a\x01x")
    + change("4", kind=77)
    + heartbeat("5")
    + END
)
CHANGES = [
    (ChangeKind.ADDED, "1", "a"),
    (ChangeKind.UPDATED, "3", "b" * 300),
    (ChangeKind.UNSPECIFIED, "4", ""),
]


@pytest.mark.parametrize("first", range(1, len(STREAM)))
def test_changes_are_found_however_the_bytes_arrive(first):
    watch = begun()
    assert taken(watch, STREAM[:first], STREAM[first:]) == CHANGES
    assert (watch.is_done, watch.position) == (True, "5")


def test_changes_are_found_byte_by_byte():
    assert taken(begun(), *(bytes([byte]) for byte in STREAM)) == CHANGES


def test_the_last_message_may_say_that_it_is_the_last():
    watch = begun()
    last = bytearray(change("1", "a"))
    last[9] = REMOTE_CLOSED
    assert taken(watch, bytes(last) + change("2")) == [(ChangeKind.ADDED, "1", "a")]
    assert watch.is_done


def test_a_status_of_ok_is_an_end_too():
    watch = begun()
    assert taken(watch, framed(b"", RESPONSE)) == []
    assert watch.is_done


def test_the_changes_before_an_error_are_taken_first():
    watch = begun()
    watch.received(change("1") + refusal(5))
    assert watch.next().position == "1"
    with pytest.raises(NotFoundError, match="why"):
        watch.next()


def test_an_attempt_goes_on_after_what_was_taken():
    watch = begun(session_id="s", ratings=["down"], from_now=True)
    first = request_of(watch.request())
    assert (first.start_position, first.from_now, first.follow) == ("", True, True)
    watch.received(heartbeat("1") + change("2"))
    watch.next()
    # This one is received and not taken, and the next one not even received.
    watch.received(change("3") + change("4")[:-1])
    second = request_of(watch.request())
    assert (second.start_position, second.from_now, second.filter) == ("2", False, first.filter)
    assert taken(watch, change("3") + change("4")) == [
        (ChangeKind.ADDED, "3", ""),
        (ChangeKind.ADDED, "4", ""),
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak ttrpc"),
    ],
)
def test_what_is_no_frame_is_the_end_of_the_connection(data, why):
    with pytest.raises(UnavailableError, match=why):
        begun().received(data)


def test_a_change_that_cannot_be_decoded_is_an_internal_error():
    watch = begun()
    watch.received(framed(b"\xff"))
    with pytest.raises(InternalError):
        watch.next()


AWAY = UnavailableError("away")


def test_the_first_answer_is_waited_for_until_the_timeout():
    watch = begun(timeout=3)
    assert watch.backoff_after(AWAY, 10.0, 100.0, 0.0) == 0.05
    assert watch.backoff_after(AWAY, 10.0, 102.8, 1.0) == 0.05
    with pytest.raises(UnavailableError, match="away"):
        watch.backoff_after(AWAY, 10.0, 102.9, 0.0)


def test_a_watch_that_has_begun_waits_for_the_server_as_long_as_it_takes():
    watch = begun(timeout=3)
    taken(watch, heartbeat("1"))
    backoffs = [watch.backoff_after(AWAY, 10.0, 1e6 * attempt, 0.0) for attempt in range(8)]
    assert backoffs == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])
    request_of(watch.request())
    taken(watch, heartbeat("2"))
    assert watch.backoff_after(AWAY, 10.0, 1e9, 0.0) == 0.05


def test_other_errors_than_unavailable_end_a_watch():
    error = OutOfRangeError("gone")
    with pytest.raises(OutOfRangeError) as caught:
        begun().backoff_after(error, 10.0, 100.0, 0.0)
    assert caught.value is error
