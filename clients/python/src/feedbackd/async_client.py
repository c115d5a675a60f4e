"""The client of asyncio."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

from . import _alerts as alerts
from . import _messages as messages
from ._address import checked_path, connect
from ._async_connection import AsyncConnection
from ._ttrpc import Method, payload_of, request_data
from .client import DEFAULT_TIMEOUT, Backoff, checked_timeout
from .errors import DeadlineExceededError, UnavailableError, closed, too_late_after
from .values import (
    AddedFeedback,
    Alert,
    AlertState,
    Author,
    Feedback,
    FeedbackPage,
    GroupBy,
    Metadata,
    MetricsReport,
    Rating,
)

_Value = TypeVar("_Value")


class AsyncFeedbackClient:
    """Calls feedbackd through its Unix socket, from the tasks of an event loop.

        async with AsyncFeedbackClient() as client:
            await client.add_feedback("user-123", "up", "Very helpful response!")

    It does what `FeedbackClient` does, with the same methods; ``list_feedbacks`` is for ``async
    for``. It belongs to the event loop that uses it first, until that loop is closed. A task that
    is cancelled gives up its call; the server may carry it out all the same.
    """

    def __init__(
        self, socket: str | os.PathLike[str] | None = None, *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Makes a client of the daemon at that path (or ``unix:PATH``); connects nothing yet.

        Without a path: ``FEEDBACKD_SOCKET``, else the daemon's own default. Raises INVALID_ARGUMENT
        for what cannot be a socket's path.
        """
        self._path = checked_path(socket)
        self._timeout = checked_timeout(timeout)
        self._connection: AsyncConnection | None = None
        self._is_closed = False
        _clients.add(self)

    @property
    def socket(self) -> str:
        """The path of the daemon's socket."""
        return self._path

    async def __aenter__(self) -> AsyncFeedbackClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that wait, and all later ones, end with CANCELLED."""
        self._is_closed = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.loop.is_closed():
            connection.abandon()
        else:
            connection.close()

    # Feedback

    async def add_feedback(
        self,
        session_id: str,
        rating: Rating | str | None = None,
        comment: str = "",
        *,
        request_id: str = "",
        message_id: str = "",
        agent_id: str = "",
        author: Author | None = None,
        tags: Iterable[str] = (),
        attributes: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> AddedFeedback:
        """Stores a feedback; it is durable when this returns.

        The rating is a `Rating`, ``"up"``, ``"down"`` or None. A request_id that the session has
        already is answered with the feedback stored first, and ``replayed``; without one a new one
        is made. Raises INVALID_ARGUMENT, which is also a ValueError, for fields that break a rule.
        """
        request = messages.add_request(
            session_id, rating, comment, request_id, message_id, agent_id, author, tags, attributes
        )
        return messages.added(await self._call(messages.ADD_FEEDBACK, request, timeout))

    def list_feedbacks(
        self,
        session_id: str = "",
        *,
        ratings: Iterable[Rating | str | None] = (),
        created_at_or_after: datetime | None = None,
        created_before: datetime | None = None,
        message_id: str = "",
        has_comment: bool | None = None,
        page_size: int = 0,
        newest_first: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Feedback]:
        """All feedback that matches, in the order of insertion, page by page as it is consumed.

        Without a session_id that of every session; without ratings any; datetimes need a time zone.
        A page has 100 feedbacks, or page_size, at most 1,000. The timeout is each page's.
        """
        # A string's letters are no ratings, and what can be read once only is read now.
        chosen = ratings if isinstance(ratings, str) else list(ratings)

        def request(page_token: str) -> bytes:
            return messages.list_request(
                session_id,
                chosen,
                created_at_or_after,
                created_before,
                message_id,
                has_comment,
                page_size,
                page_token,
                newest_first,
            )

        # The first is made here, so that what is wrong is said at once.
        return self._pages(
            messages.LIST_FEEDBACKS, request, messages.feedbacks, request(""), timeout
        )

    async def _pages(
        self,
        method: Method,
        request_of: Callable[[str], bytes],
        values_of: Callable[[Any], Iterator[_Value]],
        request: bytes,
        timeout: float | None,
    ) -> AsyncIterator[_Value]:
        while True:
            response = await self._call(method, request, timeout)
            for value in values_of(response):
                yield value
            if not response.next_page_token:
                return
            request = request_of(response.next_page_token)

    async def list_page(
        self,
        session_id: str = "",
        *,
        ratings: Iterable[Rating | str | None] = (),
        created_at_or_after: datetime | None = None,
        created_before: datetime | None = None,
        message_id: str = "",
        has_comment: bool | None = None,
        page_size: int = 0,
        page_token: str = "",
        newest_first: bool = False,
        timeout: float | None = None,
    ) -> FeedbackPage:
        """One page; page_token is the former one's next_page_token, with the same filters."""
        request = messages.list_request(
            session_id,
            ratings,
            created_at_or_after,
            created_before,
            message_id,
            has_comment,
            page_size,
            page_token,
            newest_first,
        )
        return messages.page(await self._call(messages.LIST_FEEDBACKS, request, timeout))

    async def get_metrics(
        self,
        session_id: str = "",
        *,
        created_at_or_after: datetime | None = None,
        created_before: datetime | None = None,
        group_by: GroupBy = GroupBy.NOTHING,
        metadata_key: str = "",
        timeout: float | None = None,
    ) -> MetricsReport:
        """Exact metrics, of every session without a session_id."""
        request = messages.metrics_request(
            session_id, created_at_or_after, created_before, group_by, metadata_key
        )
        return messages.metrics_report(await self._call(messages.GET_METRICS, request, timeout))

    # Metadata

    async def update_metadata(
        self, session_id: str, metadata: Mapping[str, Any], *, timeout: float | None = None
    ) -> Metadata:
        """Merges top-level keys into a session's metadata and returns it as it is then."""
        request = messages.update_metadata_request(session_id, metadata)
        return messages.metadata_of(await self._call(messages.UPDATE_METADATA, request, timeout))

    async def get_metadata(self, session_id: str, *, timeout: float | None = None) -> Metadata:
        """A session's metadata; raises NOT_FOUND if the session is unknown."""
        request = messages.get_metadata_request(session_id)
        return messages.metadata_of(await self._call(messages.GET_METADATA, request, timeout))

    async def delete_metadata(
        self, session_id: str, keys: Iterable[str], *, timeout: float | None = None
    ) -> Metadata:
        """Removes top-level keys and returns the metadata as it is then.

        Raises NOT_FOUND if the session is unknown; keys that are not there are passed over.
        """
        request = messages.delete_metadata_request(session_id, keys)
        return messages.metadata_of(await self._call(messages.DELETE_METADATA, request, timeout))

    # Alerts

    def list_alerts(
        self,
        state: AlertState = AlertState.DEAD,
        *,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncIterator[Alert]:
        """The dead letters of notification hooks, or what is pending, page by page.

        They come in the order of queueing; the timeout is each page's.
        """

        def request(page_token: str) -> bytes:
            return alerts.list_request(state, page_size, page_token)

        return self._pages(alerts.LIST_ALERTS, request, alerts.alerts, request(""), timeout)

    async def retry_alerts(
        self, alert_ids: Iterable[int] | None = None, *, timeout: float | None = None
    ) -> int:
        """Makes dead letters pending again, due at once, and returns how many: all, or these.

        Those that are gone, or pending, are passed over. At most 1,000 may be named.
        """
        ids = None if alert_ids is None else list(alert_ids)
        # To the server, none named means all.
        if ids is not None and not ids:
            return 0
        request = alerts.retry_request(ids or ())
        response = await self._call(alerts.RETRY_ALERTS, request, timeout)
        return int(response.retried)

    # Health

    async def health(self, service: str = "", *, timeout: float | None = None) -> bool:
        """Whether the server says that calls are served now; also says whether its store is there.

        Raises UNAVAILABLE if the server itself is not there.
        """
        request = messages.health_request(service)
        return messages.is_serving(await self._call(messages.CHECK_HEALTH, request, timeout))

    # Attempts

    async def _call(self, method: Method, request: bytes, timeout: float | None) -> Any:
        timeout = self._timeout if timeout is None else checked_timeout(timeout)
        deadline = monotonic() + timeout
        backoff: Backoff | None = None
        before: UnavailableError | None = None
        while True:
            try:
                data = request_data(method, request, timeout)
                return payload_of(method, await self._connected().call(data, timeout))
            except DeadlineExceededError as error:
                if before is None:
                    raise
                raise too_late_after(before, error) from None
            except UnavailableError as error:
                before = error
                backoff = backoff or Backoff(deadline)
                await asyncio.sleep(backoff.pause(error))
                timeout = deadline - monotonic()
                if timeout <= 0:
                    raise

    def _connected(self) -> AsyncConnection:
        """The connection, made anew if there is none that works."""
        connection = self._connection
        if connection is not None and connection.loop is not asyncio.get_running_loop():
            if not connection.loop.is_closed():
                raise RuntimeError("an AsyncFeedbackClient belongs to one event loop")
            connection.abandon()
        if connection is None or not connection.is_usable:
            if self._is_closed:
                raise closed()
            # Unix sockets connect at once, or say that the listener has no room.
            connection = self._connection = AsyncConnection(connect(self._path, 0))
        return connection

    def _forget_parent(self) -> None:
        if self._connection is not None:
            self._connection.abandon()
        self._connection = None


_clients: weakref.WeakSet[AsyncFeedbackClient] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client._forget_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
