"""The base of both clients: settings, methods, forks."""

from __future__ import annotations

import inspect
import os
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_args

from ._address import checked_path
from ._arguments import checked_timeout
from ._async_connection import AsyncConnection
from ._connection import Connection

#: The timeout of a call that has none of its own, with all its attempts.
TIMEOUT_SECONDS_DEFAULT = 10.0

_Connection = TypeVar("_Connection", Connection, AsyncConnection)
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


def document(method: Callable[..., Any], call: Callable[..., Any], listed: Any = None) -> None:
    """Gives a client's method the name, the signature and the docstring of the call that it makes.

    The docstring also has the errors that every call raises for wrong arguments. A method that
    lists returns ``listed[Value]``, like ``Iterator[Feedback]``.
    """
    signature = inspect.signature(call, eval_str=True)
    (result,) = get_args(signature.return_annotation)
    if listed is not None:
        values, _ = get_args(result)
        result = listed[get_args(values)[0]]
    parameters = [_SELF, *signature.parameters.values()]
    method.__name__ = method.__qualname__ = call.__name__
    method.__doc__ = f"{inspect.getdoc(call)}\n\n{_RAISES}"
    method.__annotations__ = {one.name: one.annotation for one in parameters[1:]}
    method.__annotations__["return"] = result
    method.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=result
    )


_clients: weakref.WeakSet[BaseClient[Any]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        # The connection is the parent's; locks may be held by threads that the child has not.
        if client._connection is not None:
            client._connection.abandon()
        client._begin_process()


os.register_at_fork(after_in_child=_after_fork_in_child)
