"""The values that go in and come out. Rules and limits stand in Proto/feedback/v1."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class Rating(enum.Enum):
    """What somebody thought of an answer."""

    #: No verdict: neutral.
    NONE = None
    UP = "up"
    DOWN = "down"


class AuthorSource(enum.IntEnum):
    """What kind of author gave the feedback."""

    UNSPECIFIED = 0
    HUMAN = 1
    MODEL = 2
    CODE = 3


class GroupBy(enum.IntEnum):
    """How metrics are split."""

    NOTHING = 0
    #: The group's key is the session_id.
    SESSION = 1
    #: By a key of the sessions' metadata; the group's key is the value's text, or its JSON.
    METADATA = 2
    #: UTC; the group's key is like 2024-01-22T15:00:00Z.
    HOUR = 3
    #: UTC; the group's key is like 2024-01-22.
    DAY = 4


@dataclass(frozen=True)
class Author:
    """Who gave the feedback."""

    source: AuthorSource = AuthorSource.UNSPECIFIED
    #: The author's name in the caller's world, at most 255 bytes.
    id: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """One stored feedback."""

    #: A UUID of version 7, made by the server. Empty on feedback that another program wrote.
    feedback_id: str
    session_id: str
    rating: Rating
    comment: str
    #: When the server accepted it: UTC, in whole milliseconds.
    created_at: datetime
    #: Equal to created_at until the feedback is changed.
    updated_at: datetime
    #: The answer that is spoken of.
    message_id: str = ""
    #: The agent that gave the answer.
    agent_id: str = ""
    author: Author | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


class AddedFeedback:
    """The answer to an add.

    Not a dataclass, since most callers never look at the feedback: it is decoded when they do.
    """

    __slots__ = ("_decode", "_feedback", "_message", "replayed")

    def __init__(self, message: Any, decode: Callable[[Any], Feedback]) -> None:
        self._message = message
        self._decode = decode
        self._feedback: Feedback | None = None
        #: The request_id was stored before: this is the original, and nothing was added.
        self.replayed: bool = message.replayed

    @property
    def feedback(self) -> Feedback:
        """What is stored."""
        if self._feedback is None:
            self._feedback = self._decode(self._message.feedback)
        return self._feedback

    def __repr__(self) -> str:
        return f"AddedFeedback(feedback={self.feedback!r}, replayed={self.replayed!r})"


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """A part of a list."""

    feedbacks: tuple[Feedback, ...]
    #: Empty at the end.
    next_page_token: str
    #: How many match, on all pages.
    total_size: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """Exact counts and rates."""

    total: int
    positive: int
    negative: int
    neutral: int
    #: In code points, over all feedback, without a comment too; 0 when there is none.
    average_comment_length: float
    #: 100 * positive / total; 0 when there is none.
    satisfaction_rate: float
    #: 100 * positive / (positive + negative); 0 when there is none.
    approval_rate: float


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """Metrics of everything that was asked for, and of its groups."""

    metrics: Metrics
    #: By the group's key, in ascending order; groups without feedback are left out.
    groups: Mapping[str, Metrics]


class AlertState(enum.IntEnum):
    """Where an alert is on its way."""

    #: It waits to be delivered.
    PENDING = 1
    #: It was given up: a dead letter.
    DEAD = 2


@dataclass(frozen=True, slots=True)
class Alert:
    """A feedback that a notification hook of the daemon tells somebody about."""

    #: Ascends in the order of queueing.
    alert_id: int
    state: AlertState
    #: The notification hook that delivers it.
    hook: str
    feedback_id: str
    session_id: str
    rating: Rating
    comment: str
    #: When the feedback was accepted.
    created_at: datetime
    #: How many feedbacks of the hook's ratings the session has had, this included.
    session_count: int
    #: The same of all sessions.
    total_count: int
    #: When it was queued, or last made pending again.
    queued_at: datetime
    #: How often it was tried since.
    attempts: int
    #: None on dead letters.
    next_attempt_at: datetime | None
    #: Why the last attempt failed; empty if none has.
    last_error: str


#: A session's metadata: a JSON object.
Metadata = dict[str, Any]
