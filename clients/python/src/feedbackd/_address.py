"""The path of the daemon's socket, and connecting to it."""

from __future__ import annotations

import os
import socket

from ._arguments import wrong_type
from .errors import FeedbackError, PermissionDeniedError, UnavailableError, invalid_argument

#: The length of ``sun_path`` without the final NUL (unix(7)).
PATH_BYTES_MAX = 107


def default_path() -> str:
    """Returns the path that the daemon listens at by default.

    ``FEEDBACKD_SOCKET``, else ``$XDG_RUNTIME_DIR/feedbackd/feedbackd.sock``, else that below
    ``/run`` for root, else below ``/tmp/feedbackd-UID``.
    """
    if path := os.environ.get("FEEDBACKD_SOCKET"):
        return path
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return f"{runtime}/feedbackd/feedbackd.sock"
    if os.geteuid() == 0:
        return "/run/feedbackd/feedbackd.sock"
    return f"/tmp/feedbackd-{os.geteuid()}/feedbackd.sock"


def checked_path(path: str | os.PathLike[str] | None) -> str:
    """Returns the socket's path; raises INVALID_ARGUMENT for a text that cannot be one."""
    if not (path is None or isinstance(path, (str, os.PathLike))):
        raise wrong_type("socket", "a path", path)
    text = default_path() if path is None else os.fsdecode(path)
    text = text.removeprefix("unix://").removeprefix("unix:")
    try:
        size = len(os.fsencode(text))
    except UnicodeEncodeError:
        size = 0
    if not size or "\0" in text:
        raise invalid_argument("socket", "must be a path")
    if size > PATH_BYTES_MAX:
        raise invalid_argument("socket", f"must be at most {PATH_BYTES_MAX} bytes, has {size}")
    return text


def path_of(connection_string: str | None) -> str:
    """Returns the path of a connection string ``unix:PATH``; None stands for the default path."""
    if connection_string is None:
        return checked_path(None)
    if not isinstance(connection_string, str):
        raise wrong_type("connection_string", "a str", connection_string)
    if connection_string.startswith(("mongodb:", "mongodb+srv:")):
        # The message does not repeat the string, which may hold a password.
        raise invalid_argument(
            "connection_string",
            "must be unix:PATH, the socket of feedbackd. A MongoDB address belongs to the daemon: "
            'start it with `feedbackd --store "mongodb://…"`, and leave connection_string out '
            "here if it listens at its usual place",
        )
    if not connection_string.startswith("unix:"):
        raise invalid_argument("connection_string", "must be unix:PATH, the socket of feedbackd")
    return checked_path(connection_string)


def unavailable(path: str, error: OSError) -> FeedbackError:
    """Returns the error for a failed connect."""
    reason = error.strerror or "no reason known"
    message = f"cannot connect to feedbackd at {path}: {reason}"
    if isinstance(error, PermissionError):
        return PermissionDeniedError(message)
    return UnavailableError(message)


def connect(path: str) -> socket.socket:
    """Returns a connected socket, in blocking mode.

    Connecting to a Unix socket never waits: it fails if the listener's backlog is full. Raises
    UNAVAILABLE, or PERMISSION_DENIED if the socket's mode keeps this process out.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # gevent and eventlet would wait for room in the backlog, by asking without a pause.
        client.settimeout(0)
        client.connect(path)
        client.settimeout(None)
    except OSError as error:
        client.close()
        raise unavailable(path, error) from None
    except BaseException:
        client.close()
        raise
    return client
