"""The client of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from random import random
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar

from . import _calls, _operation
from ._address import connect
from ._async_connection import AsyncConnection
from ._base import BaseChanges, BaseClient, document, listed
from ._core import Call, Watch
from ._messages import Values
from .errors import DeadlineExceededError, FeedbackError, UnavailableError, client_closed
from .values import Change

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Value = TypeVar("_Value")


def _awaited(
    call: Callable[_Arguments, Call[_Result]],
) -> Callable[Concatenate[AsyncFeedbackClient, _Arguments], Coroutine[Any, Any, _Result]]:
    """Makes a coroutine method that makes the call."""

    async def method(
        self: AsyncFeedbackClient, /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        return await self._call(call(*arguments, **named))

    document(method, call)
    return method


def _iterating(
    call: Callable[_Arguments, Call[Values[_Value]]],
) -> Callable[Concatenate[AsyncFeedbackClient, _Arguments], AsyncIterator[_Value]]:
    """Makes a method that lists: it calls for page after page while the values are consumed."""

    def method(
        self: AsyncFeedbackClient, /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> AsyncIterator[_Value]:
        # Not a generator itself, so that a wrong argument raises at once.
        return self._values(call(*arguments, **named))

    document(method, call, listed(call, AsyncIterator))
    return method


def _watching(
    watch: Callable[_Arguments, Watch],
) -> Callable[Concatenate[AsyncFeedbackClient, _Arguments], AsyncChanges]:
    """Makes a method that returns the changes of a watch."""

    def method(
        self: AsyncFeedbackClient, /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> AsyncChanges:
        return AsyncChanges(self, watch(*arguments, **named))

    document(method, watch, AsyncChanges)
    return method


class AsyncChanges(BaseChanges["AsyncFeedbackClient"], AsyncIterator[Change]):
    """An asynchronous iterator over the changes of a watch, which has a connection of its own.

        async with client.watch_feedbacks("user-123") as changes:
            async for change in changes:
                print(change.kind.name, change.feedback.comment)

    The server waits while the changes are not taken. `aclose`, and forgetting the iterator, end the
    watch. One task at a time may wait for a change; if it is cancelled, the next one goes on after
    the last change.
    """

    async def __aenter__(self) -> AsyncChanges:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncChanges:
        return self

    async def __anext__(self) -> Change:
        try:
            change = await self._next()
        except FeedbackError:
            await self.aclose()
            raise
        if change is None:
            await self.aclose()
            raise StopAsyncIteration
        return change

    async def aclose(self) -> None:
        """Ends the watch and closes its connection; a task that waits for a change is told so."""
        self._end()

    async def _next(self) -> Change | None:
        while not self._is_closed:
            try:
                change = self._watch.next()
                if change is not None or self._watch.is_done:
                    return change
                await self._receive()
            except UnavailableError as error:
                await asyncio.sleep(self._backoff_after(error))
        return None

    async def _receive(self) -> None:
        connection, request = self._connected()
        try:
            self._watch.received(await connection.exchange_async(request))
        except BaseException:
            # A part of a frame may be lost.
            self._disconnect()
            raise


class AsyncFeedbackClient(BaseClient[AsyncConnection]):
    """Calls feedbackd through its Unix socket, from the tasks of an event loop.

        async with AsyncFeedbackClient() as client:
            await client.add_feedback("user-123", "up", "Very helpful response!")

    It does what `FeedbackClient` does, with the same methods; those that list and
    ``watch_feedbacks`` are for ``async for``. It belongs to the event loop that uses it first,
    until that loop is closed. A task that is cancelled gives up its call; the server may carry it
    out all the same.
    """

    add_feedback = _awaited(_calls.add_feedback)
    list_feedbacks = _iterating(_calls.list_feedbacks)
    list_page = _awaited(_calls.list_page)
    watch_feedbacks = _watching(_calls.watch_feedbacks)
    get_metrics = _awaited(_calls.get_metrics)
    update_metadata = _awaited(_calls.update_metadata)
    get_metadata = _awaited(_calls.get_metadata)
    delete_metadata = _awaited(_calls.delete_metadata)
    health = _awaited(_calls.health)
    get_status = _awaited(_operation.get_status)
    list_destinations = _awaited(_operation.list_destinations)
    pause_destination = _awaited(_operation.pause_destination)
    resume_destination = _awaited(_operation.resume_destination)
    rewind_destination = _awaited(_operation.rewind_destination)
    test_destination = _awaited(_operation.test_destination)
    list_deliveries = _iterating(_operation.list_deliveries)
    retry_deliveries = _awaited(_operation.retry_deliveries)
    drop_deliveries = _awaited(_operation.drop_deliveries)

    async def __aenter__(self) -> AsyncFeedbackClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that wait, and all later ones, end with CANCELLED."""
        self._is_closed = True
        self._close_watches()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.loop.is_closed():
            connection.abandon()
        else:
            connection.close()

    async def _call(self, call: Call[_Result]) -> _Result:
        if call.result is not None:
            return call.result
        call.start(self._timeout, monotonic())
        while True:
            try:
                return call.method.read(await self._connect().exchange(call))
            except (UnavailableError, DeadlineExceededError) as error:
                backoff = call.backoff_after(error, monotonic(), random())
            await asyncio.sleep(backoff)
            call.retry(monotonic())

    async def _values(self, page: Call[Values[_Value]]) -> AsyncIterator[_Value]:
        call: Call[Values[_Value]] | None = page
        while call is not None:
            values, following = await self._call(call)
            for value in values:
                yield value
            call = page.followed_by(following)

    def _connect(self) -> AsyncConnection:
        """Returns the connection; makes a new one if there is none or it is not usable."""
        connection = self._connection
        if connection is not None and connection.loop is not asyncio.get_running_loop():
            if not connection.loop.is_closed():
                raise RuntimeError("an AsyncFeedbackClient belongs to one event loop")
            connection.abandon()
        if connection is None or not connection.streams.is_usable:
            if self._is_closed:
                raise client_closed()
            connection = self._connection = AsyncConnection(connect(self._path))
        return connection
