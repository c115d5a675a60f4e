"""The errors of calls, with gRPC's status codes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Code(enum.IntEnum):
    """gRPC's status codes, without OK."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True)
class FieldViolation:
    """A field that breaks its rule."""

    #: A path of field names, like ``author.id``.
    field: str
    #: The rule that is broken, and values that would be accepted; never the field's content.
    description: str


class FeedbackError(Exception):
    """An operating error; each code in use has a subclass.

    ``str(error)`` is for people, and never contains a comment or a secret.
    """

    #: The code of a subclass's errors.
    _code = Code.UNKNOWN

    def __init__(
        self,
        message: str,
        violations: Sequence[FieldViolation] = (),
        code: Code | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        #: The kind of error.
        self.code = self._code if code is None else code
        self.message = message
        #: The fields at fault, with INVALID_ARGUMENT.
        self.violations = tuple(violations)
        #: The seconds to wait before another try, if the server says so (RESOURCE_EXHAUSTED of a
        #: rate limit).
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[FeedbackError], tuple[object, ...]]:
        return type(self), (self.message, self.violations, self.code, self.retry_after)


class InvalidArgumentError(FeedbackError, ValueError):
    """A field breaks its rule, or a hook of the server refused the feedback; nothing was stored."""

    _code = Code.INVALID_ARGUMENT


class NotFoundError(FeedbackError, LookupError):
    """The session is unknown."""

    _code = Code.NOT_FOUND


class PermissionDeniedError(FeedbackError, PermissionError):
    """This process may not call the server, or may not do this."""

    _code = Code.PERMISSION_DENIED


class ResourceExhaustedError(FeedbackError):
    """A limit is reached: of a message, a queue, a session, or the disk."""

    _code = Code.RESOURCE_EXHAUSTED


class UnavailableError(FeedbackError, ConnectionError):
    """The server, or its store, could not be reached before the deadline."""

    _code = Code.UNAVAILABLE


class DeadlineExceededError(FeedbackError, TimeoutError):
    """No answer came in time. Whether the call was carried out is not known."""

    _code = Code.DEADLINE_EXCEEDED


class CallCancelledError(FeedbackError):
    """The client was closed. Whether the call was carried out is not known."""

    _code = Code.CANCELLED


class OutOfRangeError(FeedbackError):
    """A position is of another store, or of changes that are no longer kept: begin without one."""

    _code = Code.OUT_OF_RANGE


class UnimplementedError(FeedbackError):
    """The server does not know the method: it is older than this client, or another program."""

    _code = Code.UNIMPLEMENTED


class InternalError(FeedbackError):
    """A fault of the server, or an answer that cannot be understood."""

    _code = Code.INTERNAL


class DataLossError(FeedbackError):
    """The server's store is damaged."""

    _code = Code.DATA_LOSS


_CLASSES: dict[int, type[FeedbackError]] = {
    kind._code: kind for kind in FeedbackError.__subclasses__()
}


def error_of_status(
    code: int,
    message: str,
    violations: Sequence[FieldViolation] = (),
    retry_after: float | None = None,
) -> FeedbackError:
    """Returns the error for a status; a code that gRPC does not have becomes UNKNOWN."""
    if code in _CLASSES:
        return _CLASSES[code](message, violations, retry_after=retry_after)
    known = Code(code) if code in Code._value2member_map_ else Code.UNKNOWN
    return FeedbackError(message, violations, known, retry_after)


def invalid_argument(field: str, description: str) -> InvalidArgumentError:
    """Returns INVALID_ARGUMENT that names the field at fault, as the server does."""
    return InvalidArgumentError(f"{field}: {description}", [FieldViolation(field, description)])


def deadline_exceeded() -> DeadlineExceededError:
    return DeadlineExceededError("no answer came before the deadline")


def deadline_exceeded_after(
    before: UnavailableError, error: DeadlineExceededError
) -> DeadlineExceededError:
    """Returns an attempt's error with the error of the attempt before."""
    return DeadlineExceededError(f"{error}; the attempt before: {before}")


def client_closed() -> CallCancelledError:
    return CallCancelledError("the client is closed")


def connection_lost(error: OSError) -> UnavailableError:
    reason = error.strerror or "no reason known"
    return UnavailableError(f"the connection to feedbackd was lost: {reason}")
