"""The client of threads."""

from __future__ import annotations

import os
import random
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

from . import _alerts as alerts
from . import _messages as messages
from ._address import checked_path, connect
from ._connection import Connection
from ._ttrpc import Method, payload_of, request_data
from .errors import DeadlineExceededError, UnavailableError, closed, too_late, too_late_after
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

#: How long a call may take with all its attempts, in seconds, unless it says otherwise.
DEFAULT_TIMEOUT = 10.0
#: About 30 years; what the system's calls take without overflowing is not much more.
_TIMEOUT_MAX = 1e9
#: The first pause between attempts, in seconds; each further one is twice as long, to a limit.
_BACKOFF, _BACKOFF_MAX = 0.05, 1.0

_Value = TypeVar("_Value")


class Backoff:
    """The pauses between a call's attempts; each is cut by a random share of up to a half."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._next = _BACKOFF

    def pause(self, error: UnavailableError) -> float:
        """How many seconds to wait now; raises the error if there is no time for that."""
        pause = self._next * random.uniform(0.5, 1)
        if monotonic() + pause >= self._deadline:
            raise error
        self._next = min(self._next * 2, _BACKOFF_MAX)
        return pause


def checked_timeout(timeout: float) -> float:
    if not 0 < timeout <= _TIMEOUT_MAX:
        raise ValueError(f"timeout must be above 0 and at most {_TIMEOUT_MAX:g} seconds")
    return timeout


class FeedbackClient:
    """Calls feedbackd through its Unix socket.

        with FeedbackClient() as client:
            client.add_feedback("user-123", "up", "Very helpful response!")

    It may be used from many threads at once; their calls share one connection, which is made when
    it is first needed and again after it was lost. After a fork the child makes one of its own.

    Every call has a deadline, 10 seconds ahead unless ``timeout`` says otherwise, and is repeated
    with the same request_id while the server is UNAVAILABLE and time is left: nothing is stored
    twice. Calls raise a `FeedbackError`.
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
        self._reset()
        _clients.add(self)

    def _reset(self) -> None:
        self._connection: Connection | None = None
        self._connect_lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def socket(self) -> str:
        """The path of the daemon's socket."""
        return self._path

    def __enter__(self) -> FeedbackClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that wait, and all later ones, end with CANCELLED."""
        self._closed.set()
        with self._connect_lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # Feedback

    def add_feedback(
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
        return messages.added(self._call(messages.ADD_FEEDBACK, request, timeout))

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
    ) -> Iterator[Feedback]:
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

    def _pages(
        self,
        method: Method,
        request_of: Callable[[str], bytes],
        values_of: Callable[[Any], Iterator[_Value]],
        request: bytes,
        timeout: float | None,
    ) -> Iterator[_Value]:
        while True:
            response = self._call(method, request, timeout)
            yield from values_of(response)
            if not response.next_page_token:
                return
            request = request_of(response.next_page_token)

    def list_page(
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
        return messages.page(self._call(messages.LIST_FEEDBACKS, request, timeout))

    def get_metrics(
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
        return messages.metrics_report(self._call(messages.GET_METRICS, request, timeout))

    # Metadata

    def update_metadata(
        self, session_id: str, metadata: Mapping[str, Any], *, timeout: float | None = None
    ) -> Metadata:
        """Merges top-level keys into a session's metadata and returns it as it is then."""
        request = messages.update_metadata_request(session_id, metadata)
        return messages.metadata_of(self._call(messages.UPDATE_METADATA, request, timeout))

    def get_metadata(self, session_id: str, *, timeout: float | None = None) -> Metadata:
        """A session's metadata; raises NOT_FOUND if the session is unknown."""
        request = messages.get_metadata_request(session_id)
        return messages.metadata_of(self._call(messages.GET_METADATA, request, timeout))

    def delete_metadata(
        self, session_id: str, keys: Iterable[str], *, timeout: float | None = None
    ) -> Metadata:
        """Removes top-level keys and returns the metadata as it is then.

        Raises NOT_FOUND if the session is unknown; keys that are not there are passed over.
        """
        request = messages.delete_metadata_request(session_id, keys)
        return messages.metadata_of(self._call(messages.DELETE_METADATA, request, timeout))

    # Alerts

    def list_alerts(
        self,
        state: AlertState = AlertState.DEAD,
        *,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[Alert]:
        """The dead letters of notification hooks, or what is pending, page by page.

        They come in the order of queueing; the timeout is each page's.
        """

        def request(page_token: str) -> bytes:
            return alerts.list_request(state, page_size, page_token)

        return self._pages(alerts.LIST_ALERTS, request, alerts.alerts, request(""), timeout)

    def retry_alerts(
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
        response = self._call(alerts.RETRY_ALERTS, request, timeout)
        return int(response.retried)

    # Health

    def health(self, service: str = "", *, timeout: float | None = None) -> bool:
        """Whether the server says that calls are served now; also says whether its store is there.

        Raises UNAVAILABLE if the server itself is not there.
        """
        request = messages.health_request(service)
        return messages.is_serving(self._call(messages.CHECK_HEALTH, request, timeout))

    # Attempts

    def _call(self, method: Method, request: bytes, timeout: float | None) -> Any:
        timeout = self._timeout if timeout is None else checked_timeout(timeout)
        deadline = monotonic() + timeout
        backoff: Backoff | None = None
        before: UnavailableError | None = None
        while True:
            try:
                data = request_data(method, request, timeout)
                connection = self._connection
                if connection is None or not connection.is_usable:
                    connection = self._connect(timeout)
                return payload_of(method, connection.call(data, timeout, deadline))
            except DeadlineExceededError as error:
                if before is None:
                    raise
                raise too_late_after(before, error) from None
            except UnavailableError as error:
                before = error
                backoff = backoff or Backoff(deadline)
                if self._closed.wait(backoff.pause(error)):
                    raise closed() from None
                timeout = deadline - monotonic()
                if timeout <= 0:
                    raise

    def _connect(self, timeout: float) -> Connection:
        """The connection, made anew if there is none that works."""
        if not self._connect_lock.acquire(True, timeout):
            raise too_late()
        try:
            if self._closed.is_set():
                raise closed()
            if self._connection is None or not self._connection.is_usable:
                self._connection = Connection(connect(self._path, timeout))
            return self._connection
        finally:
            self._connect_lock.release()

    def _forget_parent(self) -> None:
        """In a child process: locks may be held by threads that are not here."""
        is_closed = self._closed.is_set()
        if self._connection is not None:
            self._connection.abandon()
        self._reset()
        if is_closed:
            self._closed.set()


_clients: weakref.WeakSet[FeedbackClient] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client._forget_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
