"""Where the daemon listens, and connecting to it."""

from __future__ import annotations

import os
import socket

from .errors import FeedbackError, PermissionDeniedError, UnavailableError, invalid

#: What ``sun_path`` holds besides the final NUL (unix(7)).
PATH_BYTES_MAX = 107


def default_path() -> str:
    """Where the daemon listens if nobody says otherwise.

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
    """The socket's path; raises INVALID_ARGUMENT for what cannot be one."""
    text = default_path() if path is None else os.fspath(path)
    text = text.removeprefix("unix://").removeprefix("unix:")
    size = len(os.fsencode(text))
    if not text or "\0" in text:
        raise invalid("socket", "must be a path")
    if size > PATH_BYTES_MAX:
        raise invalid("socket", f"must be at most {PATH_BYTES_MAX} bytes, has {size}")
    return text


def path_of(connection_string: str | None) -> str:
    """The path in the ``unix:PATH`` that programs of the guide give; None is the default."""
    if connection_string is None:
        return checked_path(None)
    if connection_string.startswith(("mongodb:", "mongodb+srv:")):
        # The string may hold a password, so it is not repeated.
        raise invalid(
            "connection_string",
            "must be unix:PATH, the socket of feedbackd. A MongoDB address belongs to the daemon: "
            'start it with `feedbackd --store "mongodb://…"`, and leave connection_string out '
            "here if it listens at its usual place",
        )
    if not connection_string.startswith("unix:"):
        raise invalid("connection_string", "must be unix:PATH, the socket of feedbackd")
    return checked_path(connection_string)


def unavailable(path: str, error: OSError) -> FeedbackError:
    """What a failed connect means."""
    reason = error.strerror or "it did not answer in time"
    message = f"cannot connect to feedbackd at {path}: {reason}"
    if isinstance(error, PermissionError):
        return PermissionDeniedError(message)
    return UnavailableError(message)


def connect(path: str, timeout: float) -> socket.socket:
    """A connected socket; its calls block.

    Raises UNAVAILABLE, or PERMISSION_DENIED if the socket's mode keeps this process out.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.settimeout(timeout)
        client.connect(path)
        client.settimeout(None)
    except OSError as error:
        client.close()
        raise unavailable(path, error) from None
    except BaseException:
        client.close()
        raise
    return client
