"""Calls without sockets, clocks and threads: retries, deadlines, streams, splits of the input."""

import inspect
import itertools
import random
import re
import struct
from collections.abc import AsyncIterator, Iterator
from typing import get_args, get_type_hints

import pytest
from feedbackd import (
    AsyncChanges,
    AsyncFeedbackClient,
    CallCancelledError,
    Changes,
    DeadlineExceededError,
    Feedback,
    FeedbackClient,
    FeedbackError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    _calls,
    _core,
    _messages,
    _operation,
    _ttrpc,
)
from feedbackd._core import Streams
from feedbackd._proto import feedback_pb2, ttrpc_pb2
from feedbackd._ttrpc import HEADER_BYTES, STREAM_ID_MAX


def reply(**fields):
    """The data of a reply to an add."""
    payload = feedback_pb2.AddFeedbackResponse(**fields)
    return ttrpc_pb2.Response(payload=payload.SerializeToString()).SerializeToString()


def refusal(code, message="why"):
    response = ttrpc_pb2.Response()
    response.status.code, response.status.message = code, message
    return response.SerializeToString()


def framed(stream_id, data, kind=2):
    return struct.pack(">IIBB", len(data), stream_id, kind, 0) + data


def request_of(frame):
    """The stream id and the envelope of a frame that a client sends."""
    size, stream_id, kind, flags = struct.unpack_from(">IIBB", frame)
    assert (size, kind, flags) == (len(frame) - HEADER_BYTES, 1, 1)
    return stream_id, ttrpc_pb2.Request.FromString(frame[HEADER_BYTES:])


def started(call=None, timeout=10.0, now=100.0):
    call = call or _calls.add_feedback("s", "up", "c")
    call.start(timeout, now)
    return call


AWAY = UnavailableError("away")


# Calls


def test_a_call_has_the_clients_timeout_unless_it_has_its_own():
    call = started()
    assert (call.timeout, call.deadline) == (10.0, 110.0)
    call = started(_calls.health(timeout=3))
    assert (call.timeout, call.deadline) == (3.0, 103.0)


def test_a_request_tells_the_server_how_much_time_is_left():
    call = started()
    call.backoff_after(AWAY, 104.0, 0.5)
    call.retry(104.5)
    request = ttrpc_pb2.Request.FromString(call.request)
    assert request.timeout_nano == 5_500_000_000
    assert call.deadline == 110.0


def test_every_attempt_has_the_same_request_id():
    call = started()
    seen = set()
    for _ in range(4):
        payload = ttrpc_pb2.Request.FromString(call.request).payload
        seen.add(feedback_pb2.AddFeedbackRequest.FromString(payload).request_id)
        call.backoff_after(AWAY, 101.0, 0.0)
        call.retry(101.0)
    assert len(seen) == 1
    assert seen != {""}


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 1.0), (1.0, 0.5), (0.5, 0.75)])
def test_pauses_double_up_to_a_second_and_are_cut_by_up_to_a_half(jitter, factor):
    call = started(timeout=1000.0)
    pauses = [call.backoff_after(AWAY, 100.0, jitter) for _ in range(8)]
    whole = [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert pauses == pytest.approx([pause * factor for pause in whole])


def test_there_is_no_pause_that_would_end_at_the_deadline_or_later():
    call = started()
    assert call.backoff_after(AWAY, 109.94, 0.0) == 0.05
    with pytest.raises(UnavailableError, match="away"):
        call.backoff_after(AWAY, 109.9, 0.0)


def test_a_pause_that_took_longer_ends_the_call_with_its_error():
    call = started()
    call.backoff_after(AWAY, 100.0, 0.0)
    with pytest.raises(UnavailableError, match="away"):
        call.retry(110.0)


@pytest.mark.parametrize(
    "error",
    [
        DeadlineExceededError("late"),
        InvalidArgumentError("wrong"),
        CallCancelledError("closed"),
        ResourceExhaustedError("full", retry_after=1.0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_only_unavailable_is_worth_another_attempt(error):
    with pytest.raises(FeedbackError) as caught:
        started().backoff_after(error, 100.0, 0.0)
    assert caught.value is error


def test_a_deadline_in_a_later_attempt_says_why_the_one_before_failed():
    call = started()
    call.backoff_after(AWAY, 100.0, 0.0)
    call.retry(100.05)
    with pytest.raises(DeadlineExceededError, match="^late; the attempt before: away$"):
        call.backoff_after(DeadlineExceededError("late"), 110.0, 0.0)


def test_a_request_above_the_limit_is_refused_before_anything_is_sent():
    started(_calls.add_feedback("s", "up", "x" * ((4 << 20) - 200)))
    with pytest.raises(ResourceExhaustedError, match="4194304"):
        started(_calls.add_feedback("s", "up", "x" * (4 << 20)))


def test_a_result_is_what_the_reply_says():
    call = started()
    assert call.method.read(reply(replayed=True)).replayed
    with pytest.raises(NotFoundError, match="why"):
        call.method.read(refusal(5))
    # Another attempt is the answer to this one.
    with pytest.raises(UnavailableError, match="why"):
        call.method.read(refusal(14))


def test_a_lists_next_page_is_asked_for_with_the_same_filters():
    first = _calls.list_feedbacks("s", ratings=["down"], page_size=2, timeout=7)
    response = feedback_pb2.ListFeedbacksResponse(next_page_token="é" * 100)
    response.feedbacks.add(comment="c")
    values, following = first.method.read(
        ttrpc_pb2.Response(payload=response.SerializeToString()).SerializeToString()
    )
    assert [feedback.comment for feedback in values] == ["c"]
    second = first.followed_by(following)
    expected = feedback_pb2.ListFeedbacksRequest.FromString(first.payload)
    expected.page_token = "é" * 100
    assert feedback_pb2.ListFeedbacksRequest.FromString(second.payload) == expected
    second.start(10.0, 0.0)
    assert second.timeout == 7


@pytest.mark.parametrize("first", [_calls.list_feedbacks(), _operation.list_deliveries()])
def test_a_list_ends_with_the_page_that_has_no_token(first):
    values, following = first.method.read(ttrpc_pb2.Response().SerializeToString())
    assert list(values) == []
    assert first.followed_by(following) is None


# Streams


@pytest.fixture
def streams():
    return Streams()


def open_streams(streams, *waiters):
    """Begins a call for each, and returns the streams' ids."""
    return [streams.open(started(), waiter)[0] for waiter in waiters]


def test_a_request_goes_out_in_a_frame_of_its_own_stream(streams):
    frames = [streams.open(started(), waiter)[1] for waiter in "ab"]
    (first, request), (second, _) = map(request_of, frames)
    assert (first, second) == (1, 3)
    assert (request.service, request.method) == ("feedback.v1.FeedbackService", "AddFeedback")


REPLIES = [(1, b"a" * 20), (5, b""), (3, b"b" * 300), (9, b"nobody's"), (7, b"c")]
INPUT = b"".join(itertools.starmap(framed, REPLIES)) + framed(1, b"no reply", kind=3)


@pytest.mark.parametrize("first", range(1, len(INPUT)))
def test_replies_reach_whoever_waits_however_the_bytes_arrive(streams, first):
    """Cut in two at every byte, and the second part once more."""
    open_streams(streams, "a", "b", "c", "d")
    second = (first + len(INPUT)) // 2
    parts = [INPUT[:first], INPUT[first:second], INPUT[second:]]
    received = [one for part in parts if part for one in streams.received(part)]
    assert received == [("a", b"a" * 20), ("c", b""), ("b", b"b" * 300), ("d", b"c")]
    assert streams.pending == {}


def test_replies_reach_whoever_waits_byte_by_byte(streams):
    open_streams(streams, "a", "b", "c", "d")
    received = [one for byte in INPUT for one in streams.received(bytes([byte]))]
    assert [waiter for waiter, _ in received] == ["a", "c", "b", "d"]


def test_a_reply_to_whoever_has_given_up_is_passed_over(streams):
    first, second = open_streams(streams, "a", "b")
    del streams.pending[first]
    assert streams.received(framed(first, b"late") + framed(second, b"reply")) == [("b", b"reply")]
    # Nor does a second reply reach anybody.
    assert streams.received(framed(second, b"again")) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak ttrpc"),
        (struct.pack(">IIBB", (4 << 20) + 1, 1, 2, 0), "does not speak ttrpc"),
    ],
)
def test_what_is_no_reply_is_the_end_of_the_connection(streams, data, why):
    with pytest.raises(UnavailableError, match=why):
        streams.received(data)


def test_a_failure_is_told_to_all_who_wait_and_to_later_calls(streams):
    open_streams(streams, "a", "b")
    assert streams.fail(UnavailableError("first")) == ["a", "b"]
    streams.fail(CallCancelledError("second"))
    assert not streams.is_usable
    errors = [streams.error(), streams.error()]
    with pytest.raises(UnavailableError) as caught:
        open_streams(streams, "c")
    errors.append(caught.value)
    assert [(type(error), str(error)) for error in errors] == [(UnavailableError, "first")] * 3
    # Each is raised somewhere else, with a traceback of its own.
    assert len(set(map(id, errors))) == 3
    assert "c" not in streams.pending.values()


def test_the_last_stream_id_is_used_and_none_after_it(streams):
    streams._next_id = STREAM_ID_MAX
    assert open_streams(streams, "a") == [STREAM_ID_MAX]
    with pytest.raises(UnavailableError, match="used up"):
        open_streams(streams, "b")
    # The call under way goes on.
    assert streams.failure is None
    assert streams.received(framed(STREAM_ID_MAX, b"r")) == [("a", b"r")]


# Calls and streams together


class Network:
    """Simulates a client, a server and a clock; a seed decides on every fault and delay."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self.now = 0.0
        self.stored = set()
        self.streams = Streams()

    def call(self, call):
        """As the clients do it, one attempt after the other."""
        call.start(5.0, self.now)
        while True:
            try:
                if not self.streams.is_usable:
                    self.streams = Streams()
                return call.method.read(self._exchange(call))
            except (UnavailableError, DeadlineExceededError) as error:
                pause = call.backoff_after(error, self.now, self._random.random())
            self.now += pause
            call.retry(self.now)

    def _exchange(self, call):
        _, frame = self.streams.open(call, call)
        took = self._random.choice([0.001, 0.1, 0.1, 2.0])
        if took >= call.timeout:
            self.now = call.deadline
            raise DeadlineExceededError("late")
        self.now += took
        stream_id, request = request_of(frame)
        what = self._random.choice(["lost before", "lost after", "refused", "split", "split"])
        if what in ("lost after", "split"):
            add = feedback_pb2.AddFeedbackRequest.FromString(request.payload)
            replayed = add.request_id in self.stored
            self.stored.add(add.request_id)
        if what.startswith("lost"):
            self.streams.fail(UnavailableError(what))
            raise self.streams.error()
        data = framed(stream_id, refusal(14) if what == "refused" else reply(replayed=replayed))
        cut = self._random.randrange(1, len(data))
        answers = self.streams.received(data[:cut]) + self.streams.received(data[cut:])
        assert [waiter for waiter, _ in answers] == [call]
        return answers[0][1]


@pytest.mark.parametrize("seed", range(300))
def test_whatever_happens_calls_end_in_time_and_store_once(seed):
    network = Network(seed)
    for number in range(20):
        stored, begin = len(network.stored), network.now
        try:
            added = network.call(_calls.add_feedback("s", "up", str(number)))
        except (UnavailableError, DeadlineExceededError):
            assert len(network.stored) - stored in (0, 1)
        else:
            assert len(network.stored) - stored == 1
            assert added.replayed in (True, False)
        assert network.now <= begin + 5.0 + 1e-9


# The clients' methods


METHODS = {
    name: call
    for module in (_calls, _operation)
    for name, call in inspect.getmembers(module, inspect.isfunction)
    if re.match(r"Call\[|Watch$", str(call.__annotations__.get("return")))
}


@pytest.mark.parametrize("client", [FeedbackClient, AsyncFeedbackClient])
def test_clients_have_every_call_with_its_signature_and_its_docstring(client):
    public = {name for name in vars(client) if not name.startswith("_")}
    assert public == METHODS.keys() | {"close"}
    for name, call in METHODS.items():
        method, made = getattr(client, name), inspect.signature(call, eval_str=True)
        mine = inspect.signature(method)
        assert list(mine.parameters.values())[1:] == list(made.parameters.values())
        assert list(mine.parameters)[0] == "self"
        assert mine.return_annotation == get_type_hints(method)["return"]
        assert method.__doc__.startswith(inspect.getdoc(call))
        assert len(inspect.getdoc(call)) > 20
        assert "Raises TypeError for an argument of a wrong type" in method.__doc__
        is_list = name in ("list_feedbacks", "list_deliveries", "watch_feedbacks")
        assert inspect.iscoroutinefunction(method) == (
            client is AsyncFeedbackClient and not is_list
        )
        if not is_list:
            assert get_args(made.return_annotation) == (mine.return_annotation,)


def test_lists_return_iterators_of_their_values():
    iterators = {FeedbackClient: Iterator, AsyncFeedbackClient: AsyncIterator}
    for client, iterator in iterators.items():
        assert inspect.signature(client.list_feedbacks).return_annotation == iterator[Feedback]
    watches = {FeedbackClient: Changes, AsyncFeedbackClient: AsyncChanges}
    for client, changes in watches.items():
        assert inspect.signature(client.watch_feedbacks).return_annotation == changes
        assert issubclass(changes, iterators[client])


@pytest.mark.parametrize("module", [_core, _ttrpc, _messages], ids=lambda module: module.__name__)
def test_the_core_knows_no_socket_no_clock_and_no_chance(module):
    forbidden = {"asyncio", "os", "random", "select", "socket", "threading", "time"}
    imports = [line.split() for line in inspect.getsource(module).splitlines()]
    imported = {words[1] for words in imports if words and words[0] in ("from", "import")}
    assert "__future__" in imported
    assert not imported & forbidden
