"""The client of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import random
from time import monotonic
from typing import Concatenate, ParamSpec, TypeVar

from . import _calls, _operation
from ._address import connect
from ._base import BaseChanges, BaseClient, document, listed
from ._connection import Connection
from ._core import Call, Watch
from ._messages import Values
from ._watch_connection import WatchConnection
from .errors import (
    DeadlineExceededError,
    FeedbackError,
    UnavailableError,
    client_closed,
    deadline_exceeded,
)
from .values import Change

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Value = TypeVar("_Value")


def _blocking(
    call: Callable[_Arguments, Call[_Result]],
) -> Callable[Concatenate[FeedbackClient, _Arguments], _Result]:
    """Makes a method that makes the call and blocks until it has the result."""

    def method(
        self: FeedbackClient, /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        return self._call(call(*arguments, **named))

    document(method, call)
    return method


def _iterating(
    call: Callable[_Arguments, Call[Values[_Value]]],
) -> Callable[Concatenate[FeedbackClient, _Arguments], Iterator[_Value]]:
    """Makes a method that lists: it calls for page after page while the values are consumed."""

    def method(
        self: FeedbackClient, /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> Iterator[_Value]:
        # Not a generator itself, so that a wrong argument raises at once.
        return self._values(call(*arguments, **named))

    document(method, call, listed(call, Iterator))
    return method


def _watching(
    watch: Callable[_Arguments, Watch],
) -> Callable[Concatenate[FeedbackClient, _Arguments], Changes]:
    """Makes a method that returns the changes of a watch."""

    def method(
        self: FeedbackClient, /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> Changes:
        return Changes(self, watch(*arguments, **named))

    document(method, watch, Changes)
    return method


class Changes(BaseChanges["FeedbackClient"], Iterator[Change]):
    """An iterator over the changes of a watch, which has a connection of its own.

        with client.watch_feedbacks("user-123") as changes:
            for change in changes:
                print(change.kind.name, change.feedback.comment)

    The server waits while the changes are not taken. `close`, and forgetting the iterator, end the
    watch. One thread at a time may take changes; any may close it meanwhile, which ends the
    iteration. After an error that is no `FeedbackError`, such as KeyboardInterrupt, and in a forked
    child, it goes on after the last change.
    """

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Changes:
        return self

    def __next__(self) -> Change:
        try:
            change = self._next()
        except FeedbackError:
            self.close()
            raise
        if change is None:
            self.close()
            raise StopIteration
        return change

    def close(self) -> None:
        """Ends the watch and closes its connection."""
        self._end()

    def _next(self) -> Change | None:
        while not self._is_closed:
            try:
                change = self._watch.next()
                if change is not None or self._watch.is_done:
                    return change
                self._receive()
            except UnavailableError as error:
                if self._client._closed.wait(self._backoff_after(error)):
                    raise client_closed() from None
        return None

    def _receive(self) -> None:
        connection, request = self._connected()
        try:
            self._watch.received(connection.exchange(request))
        except BaseException:
            # A part of a frame may be lost.
            self._disconnect()
            raise


class FeedbackClient(BaseClient[Connection]):
    """Calls feedbackd through its Unix socket.

        with FeedbackClient() as client:
            client.add_feedback("user-123", "up", "Very helpful response!")

    It may be used from many threads at once; their calls share one connection, which is made when
    it is first needed and again after it was lost. After a fork the child makes one of its own.

    Every call has a deadline, 10 seconds ahead unless ``timeout`` says otherwise, and is repeated
    with the same request_id while the server is UNAVAILABLE and time is left: nothing is stored
    twice. Calls raise a `FeedbackError`.
    """

    add_feedback = _blocking(_calls.add_feedback)
    list_feedbacks = _iterating(_calls.list_feedbacks)
    list_page = _blocking(_calls.list_page)
    watch_feedbacks = _watching(_calls.watch_feedbacks)
    get_metrics = _blocking(_calls.get_metrics)
    update_metadata = _blocking(_calls.update_metadata)
    get_metadata = _blocking(_calls.get_metadata)
    delete_metadata = _blocking(_calls.delete_metadata)
    health = _blocking(_calls.health)
    get_status = _blocking(_operation.get_status)
    list_destinations = _blocking(_operation.list_destinations)
    pause_destination = _blocking(_operation.pause_destination)
    resume_destination = _blocking(_operation.resume_destination)
    rewind_destination = _blocking(_operation.rewind_destination)
    test_destination = _blocking(_operation.test_destination)
    list_deliveries = _iterating(_operation.list_deliveries)
    retry_deliveries = _blocking(_operation.retry_deliveries)
    drop_deliveries = _blocking(_operation.drop_deliveries)

    def __enter__(self) -> FeedbackClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that wait, and all later ones, end with CANCELLED."""
        self._is_closed = True
        self._closed.set()
        with self._connect_lock:
            connection, self._connection = self._connection, None
            self._close_watches()
        if connection is not None:
            connection.close()

    def _call(self, call: Call[_Result]) -> _Result:
        if call.result is not None:
            return call.result
        call.start(self._timeout, monotonic())
        while True:
            try:
                connection = self._connection
                if connection is None or not connection.streams.is_usable:
                    connection = self._connect(call.timeout)
                return call.method.read(connection.exchange(call))
            except (UnavailableError, DeadlineExceededError) as error:
                backoff = call.backoff_after(error, monotonic(), random())
            if self._closed.wait(backoff):
                raise client_closed()
            call.retry(monotonic())

    def _values(self, page: Call[Values[_Value]]) -> Iterator[_Value]:
        call: Call[Values[_Value]] | None = page
        while call is not None:
            values, following = self._call(call)
            yield from values
            call = page.followed_by(following)

    def _connect(self, timeout: float) -> Connection:
        """Returns the connection; makes a new one if there is none or it is not usable."""
        if not self._connect_lock.acquire(True, timeout):
            raise deadline_exceeded()
        try:
            if self._is_closed:
                raise client_closed()
            if self._connection is None or not self._connection.streams.is_usable:
                self._connection = Connection(connect(self._path))
            return self._connection
        finally:
            self._connect_lock.release()

    def _open_watch(self) -> WatchConnection:
        with self._connect_lock:
            return super()._open_watch()

    def _begin_process(self) -> None:
        super()._begin_process()
        self._connect_lock = threading.Lock()
        self._closed = threading.Event()
        if self._is_closed:
            self._closed.set()
