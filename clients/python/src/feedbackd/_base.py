"""The base of both clients: settings, methods, forks."""

from __future__ import annotations

import inspect
import os
import weakref
from collections.abc import Callable
from random import random
from time import monotonic
from typing import Any, Generic, TypeVar, get_args

from ._address import checked_path, connect
from ._arguments import checked_timeout
from ._async_connection import AsyncConnection
from ._connection import Connection
from ._core import Watch
from ._watch_connection import WatchConnection
from .errors import UnavailableError, client_closed

#: The timeout of a call that has none of its own, with all its attempts.
TIMEOUT_SECONDS_DEFAULT = 10.0

_Connection = TypeVar("_Connection", Connection, AsyncConnection)
_Client = TypeVar("_Client", bound="BaseClient[Any]")
_RAISES = """\
Raises TypeError for an argument of a wrong type, and INVALID_ARGUMENT, which is also a ValueError,
for one that breaks a rule; both name the argument. What the client refuses is not sent."""
_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)


class BaseClient(Generic[_Connection]):
    """The settings and the state that both clients have."""

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS_DEFAULT,
    ) -> None:
        """Makes a client of the daemon at that path (or ``unix:PATH``); connects nothing yet.

        Without a path: ``FEEDBACKD_SOCKET``, else the daemon's own default. Raises TypeError for an
        argument of a wrong type, and INVALID_ARGUMENT, which is also a ValueError, for what cannot
        be a socket's path or is no timeout.
        """
        self._path = checked_path(socket)
        self._timeout = checked_timeout(timeout)
        self._is_closed = False
        self._begin_process()
        _clients.add(self)

    @property
    def socket(self) -> str:
        """The path of the daemon's socket."""
        return self._path

    def _begin_process(self) -> None:
        """Sets up the state that each process has of its own; called again in a forked child."""
        self._connection: _Connection | None = None
        #: The connections of watches.
        self._watches: set[WatchConnection] = set()

    def _open_watch(self) -> WatchConnection:
        """Returns a new connection for a watch, which takes it out of `_watches` in the end."""
        if self._is_closed:
            raise client_closed()
        connection = WatchConnection(connect(self._path))
        self._watches.add(connection)
        return connection

    def _close_watches(self) -> None:
        for connection in list(self._watches):
            connection.close()


class BaseChanges(Generic[_Client]):
    """The changes of a watch, in whichever client."""

    _connection: WatchConnection | None = None
    _is_closed = False

    def __init__(self, client: _Client, watch: Watch) -> None:
        self._client = client
        self._watch = watch

    def __del__(self) -> None:
        self._disconnect()

    @property
    def position(self) -> str:
        """The position up to which everything has been taken: a watch with it goes on from there.

        It is that of the last change, or a later one: the server tells how far it has come when it
        has no change that matches.
        """
        return self._watch.position

    def _connected(self) -> tuple[WatchConnection, bytes]:
        """Returns the connection, and the request to send if it is a new one."""
        connection = self._connection
        if connection is not None and not connection.is_closed:
            return connection, b""
        self._disconnect()
        connection = self._connection = self._client._open_watch()
        # If another thread ends the watch, either it or this one finds the other's change.
        if self._is_closed:
            connection.close()
        return connection, self._watch.request()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self._client._watches.discard(connection)

    def _end(self) -> None:
        self._is_closed = True
        self._disconnect()

    def _backoff_after(self, error: UnavailableError) -> float:
        self._disconnect()
        if self._is_closed:
            return 0.0
        if self._client._is_closed:
            raise client_closed()
        return self._watch.backoff_after(error, self._client._timeout, monotonic(), random())


def listed(call: Callable[..., Any], iterator: Any) -> Any:
    """Returns the result of a method that lists what the call returns, like Iterator[Feedback]."""
    values, _ = get_args(_result(call))
    return iterator[get_args(values)[0]]


def document(method: Callable[..., Any], call: Callable[..., Any], result: Any = None) -> None:
    """Gives a client's method the name, the signature and the docstring of the call that it makes.

    The docstring also has the errors that every call raises for wrong arguments. The result is the
    call's, unless the method returns another one.
    """
    signature = inspect.signature(call, eval_str=True)
    result = _result(call) if result is None else result
    parameters = [_SELF, *signature.parameters.values()]
    method.__name__ = method.__qualname__ = call.__name__
    method.__doc__ = f"{inspect.getdoc(call)}\n\n{_RAISES}"
    method.__annotations__ = {one.name: one.annotation for one in parameters[1:]}
    method.__annotations__["return"] = result
    method.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=result
    )


def _result(call: Callable[..., Any]) -> Any:
    (result,) = get_args(inspect.signature(call, eval_str=True).return_annotation)
    return result


_clients: weakref.WeakSet[BaseClient[Any]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        # The connection is the parent's; locks may be held by threads that the child has not.
        if client._connection is not None:
            client._connection.abandon()
        for connection in client._watches:
            connection.abandon()
        client._begin_process()


os.register_at_fork(after_in_child=_after_fork_in_child)
