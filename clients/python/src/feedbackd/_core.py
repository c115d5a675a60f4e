"""Calls without any I/O: bytes and times come in, bytes and decisions go out.

`Call` is one call with all its attempts, `Streams` are the calls in flight on one connection, and
`Watch` is a stream of changes with all its attempts. They have no socket and no clock, and never
wait: the client of threads and the client of asyncio do.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar

from google.protobuf.message import DecodeError

from ._arguments import checked_timeout
from ._messages import decode_change
from ._proto import feedback_pb2
from ._ttrpc import (
    STREAM_ID_MAX,
    Frame,
    FrameDecoder,
    Method,
    ProtocolError,
    frame,
    request_data,
)
from .errors import (
    DeadlineExceededError,
    FeedbackError,
    InternalError,
    UnavailableError,
    deadline_exceeded_after,
)
from .values import Change

#: The first backoff between attempts, and the longest; each is twice as long as the one before.
_BACKOFF_SECONDS_MIN, _BACKOFF_SECONDS_MAX = 0.05, 1.0

_Result = TypeVar("_Result")
_Waiter = TypeVar("_Waiter")


class Call(Generic[_Result]):
    """One call with all its attempts: encodes its requests and decides on retries and the deadline.

    After `start`, the client sends `request` and lets `method` read the reply. If that fails, it
    passes the error to `backoff_after`, waits as long as that returns, calls `retry`, and sends
    `request` again. Times are in seconds; ``now`` is the time of any clock that never goes back.
    """

    #: The data of the current attempt's request.
    request: bytes
    #: The current attempt's time limit, from its start.
    timeout: float
    #: The time at which the call ends, with all its attempts.
    deadline: float
    #: The result of a call that needs no answer, and is never started.
    result: _Result | None = None
    _backoff = _BACKOFF_SECONDS_MIN
    #: The error of the attempt before.
    _error: UnavailableError | None = None

    def __init__(self, method: Method[_Result], payload: bytes, timeout: float | None) -> None:
        """Makes a call that is not started; without a timeout it takes the client's."""
        self.method = method
        self.payload = payload
        self._timeout = None if timeout is None else checked_timeout(timeout)

    def start(self, timeout_default: float, now: float) -> None:
        """Starts the first attempt; raises RESOURCE_EXHAUSTED if the request is too large."""
        self.timeout = timeout = timeout_default if self._timeout is None else self._timeout
        self.deadline = now + timeout
        self.request = request_data(self.method, self.payload, timeout)

    def backoff_after(self, error: FeedbackError, now: float, jitter: float) -> float:
        """Returns the backoff before the next attempt; raises the call's error if there is none.

        Only UNAVAILABLE is retried. The jitter, a random number from 0 to 1, cuts the backoff by up
        to a half, so that clients that failed together do not come back together.
        """
        if not isinstance(error, UnavailableError):
            if isinstance(error, DeadlineExceededError) and self._error is not None:
                raise deadline_exceeded_after(self._error, error) from None
            raise error
        backoff = self._backoff * (1 - jitter / 2)
        if now + backoff >= self.deadline:
            # The error tells more than DEADLINE_EXCEEDED would.
            raise error
        self._error = error
        self._backoff = min(self._backoff * 2, _BACKOFF_SECONDS_MAX)
        return backoff

    def retry(self, now: float) -> None:
        """Starts the next attempt; raises the former one's error if the deadline has passed."""
        self.timeout = self.deadline - now
        if self.timeout <= 0 and self._error is not None:
            raise self._error
        self.request = request_data(self.method, self.payload, self.timeout)

    def followed_by(self, following: bytes) -> Call[_Result] | None:
        """Returns the call for a later page of the list that this call starts.

        ``following`` are the fields that the later page's request has besides the first one's: to
        protobuf, one message after another is a message with the fields of both. Without any, the
        list is at its end, and None is returned.
        """
        if not following:
            return None
        return Call(self.method, self.payload + following, self._timeout)


class Streams(Generic[_Waiter]):
    """The streams of one connection: one per call, with whatever waits for the call's reply.

    Threads share it without a lock, since they only set or remove a key of `pending`, or set an
    attribute, and Python does each of these atomically. `open` may run in one thread at a time, and
    so may `received`.
    """

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._next_id = 1
        #: The waiters by stream id. A call that ends without a reply removes its own.
        self.pending: dict[int, _Waiter] = {}
        #: False when no further call may use the connection.
        self.is_usable = True
        #: The error that ended the connection.
        self.failure: FeedbackError | None = None

    def open(self, call: Call[Any], waiter: _Waiter) -> tuple[int, bytes]:
        """Returns a new stream's id and the frame to send; raises `error` if not `is_usable`."""
        if not self.is_usable:
            raise self.error()
        stream_id = self._next_id
        self._next_id = stream_id + 2
        if stream_id >= STREAM_ID_MAX:
            self.is_usable = False
        self.pending[stream_id] = waiter
        return stream_id, frame(stream_id, call.request)

    def received(self, data: bytes) -> list[tuple[_Waiter, bytes]]:
        """Returns the replies that these bytes complete, each with its waiter.

        Raises UNAVAILABLE if the bytes are not ttrpc, or empty, which is the connection's end.
        """
        if not data:
            raise _closed()
        try:
            replies = self._decoder.decode(data)
        except ProtocolError as error:
            raise _no_ttrpc(error) from None
        answered = []
        for stream_id, reply in replies:
            waiter = self.pending.pop(stream_id, None)
            # A call that has ended already has no waiter.
            if waiter is not None:
                answered.append((waiter, reply))
        return answered

    def fail(self, error: FeedbackError) -> list[_Waiter]:
        """Ends the connection with an error, unless it has one already; returns all waiters."""
        if self.failure is None:
            self.failure = error
        self.is_usable = False
        return list(self.pending.values())

    def error(self) -> FeedbackError:
        """Returns a copy of the connection's error: each caller adds a traceback to its own."""
        failure = self.failure or UnavailableError("the connection is used up")
        return type(failure)(failure.message)


class Watch:
    """A stream of changes with all its attempts, each on a connection of its own.

    The client sends `request`, passes what it receives to `received`, and takes the changes with
    `next` until that returns None and more must be received. If an attempt fails, it passes the
    error to `backoff_after`, waits as long as that returns, and sends `request` again, which goes
    on after the last change that was taken.

    The time limit holds until the server has sent something for the first time. After that, the
    watch waits for a server that is away as long as it takes.
    """

    #: True when the stream has ended and all its changes have been taken.
    is_done = False
    _has_begun = False
    _backoff = _BACKOFF_SECONDS_MIN
    #: The time at which an attempt failed first, if none has had an answer yet.
    _failed_at: float | None = None

    def __init__(
        self,
        method: Method[Any],
        request: feedback_pb2.WatchFeedbacksRequest,
        timeout: float | None,
    ) -> None:
        """Makes a watch that has not begun; without a timeout it takes the client's."""
        self._method = method
        self._request = request
        self._timeout = None if timeout is None else checked_timeout(timeout)
        self._decoder = FrameDecoder()
        self._frames: deque[Frame] = deque()

    @property
    def position(self) -> str:
        """The position up to which everything has been taken."""
        return self._request.start_position

    def request(self) -> bytes:
        """Starts an attempt, and returns the frame to send."""
        self._decoder = FrameDecoder()
        self._frames.clear()
        return frame(1, request_data(self._method, self._request.SerializeToString(), None))

    def received(self, data: bytes) -> None:
        """Keeps the frames that these bytes complete.

        Raises UNAVAILABLE if the bytes are not ttrpc, or empty, which is the connection's end.
        """
        if not data:
            raise _closed()
        try:
            self._frames += self._decoder.frames(data)
        except ProtocolError as error:
            raise _no_ttrpc(error) from None

    def next(self) -> Change | None:
        """Takes the next change that was received; None if there is none. Raises the call's error.

        The bytes of a change are decoded only here, so that what waits takes little memory.
        """
        while self._frames and not self.is_done:
            one = self._frames.popleft()
            if one.is_response:
                self._method.read(one.data)
            self.is_done = one.is_last
            if not one.has_message:
                continue
            try:
                message = feedback_pb2.WatchFeedbacksResponse.FromString(one.data)
            except DecodeError:
                raise InternalError("a change cannot be decoded") from None
            self._has_begun = True
            self._backoff = _BACKOFF_SECONDS_MIN
            event = message.WhichOneof("event")
            # An event that only a newer server knows is passed over.
            if event is not None:
                is_change = event == "change"
                self._passed(message.change.position if is_change else message.heartbeat_position)
                if is_change:
                    return decode_change(message.change)
        return None

    def backoff_after(
        self, error: FeedbackError, timeout_default: float, now: float, jitter: float
    ) -> float:
        """Returns the backoff before the next attempt; raises the error if there is none.

        The jitter is as in `Call.backoff_after`.
        """
        if not isinstance(error, UnavailableError):
            raise error
        backoff = self._backoff * (1 - jitter / 2)
        if not self._has_begun:
            if self._failed_at is None:
                self._failed_at = now
            timeout = timeout_default if self._timeout is None else self._timeout
            if now + backoff >= self._failed_at + timeout:
                raise error
        self._backoff = min(self._backoff * 2, _BACKOFF_SECONDS_MAX)
        return backoff

    def _passed(self, position: str) -> None:
        self._request.start_position = position
        # A stream that has a position begins after it.
        self._request.from_now = False


def _closed() -> UnavailableError:
    return UnavailableError("feedbackd closed the connection")


def _no_ttrpc(error: ProtocolError) -> UnavailableError:
    return UnavailableError(f"what listens there does not speak ttrpc: {error}")
