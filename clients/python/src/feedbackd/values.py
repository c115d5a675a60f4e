"""Arguments and results of calls. Proto/feedback/v1 has the rules and limits of their fields."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class Rating(enum.Enum):
    """A verdict on an answer."""

    #: No verdict: neutral.
    NONE = None
    UP = "up"
    DOWN = "down"


class AllSessions(enum.Enum):
    """The type of `ALL_SESSIONS`."""

    ALL_SESSIONS = "all sessions"


#: All sessions, in place of a session_id of lists and metrics; it is also their default. An empty
#: session_id is an error instead, so that a variable that happens to be empty never shows one
#: person the feedback of all others.
ALL_SESSIONS = AllSessions.ALL_SESSIONS


class AuthorSource(enum.IntEnum):
    """The kind of a feedback's author."""

    UNSPECIFIED = 0
    HUMAN = 1
    MODEL = 2
    CODE = 3


class GroupBy(enum.IntEnum):
    """The groups that metrics are split into."""

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
    """The author of a feedback."""

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
    #: The time at which the server accepted the feedback: UTC, in whole milliseconds.
    created_at: datetime
    #: Equal to created_at until the feedback is changed.
    updated_at: datetime
    #: The answer that the feedback is about.
    message_id: str = ""
    #: The agent that gave the answer.
    agent_id: str = ""
    author: Author | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


class AddedFeedback:
    """The result of an add.

    The feedback is decoded when it is first read: most callers never do.
    """

    __slots__ = ("_feedback", "_message")

    def __init__(self, message: Any) -> None:
        self._message = message
        self._feedback: Feedback | None = None

    @property
    def replayed(self) -> bool:
        """True if the request_id was stored before: `feedback` is the original, none was added."""
        return bool(self._message.replayed)

    @property
    def feedback(self) -> Feedback:
        """The stored feedback."""
        if self._feedback is None:
            # That module imports this one.
            from ._messages import decode_feedback

            self._feedback = decode_feedback(self._message.feedback)
        return self._feedback

    def __repr__(self) -> str:
        return f"AddedFeedback(feedback={self.feedback!r}, replayed={self.replayed!r})"


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """One page of a list."""

    feedbacks: tuple[Feedback, ...]
    #: Empty on the last page.
    next_page_token: str
    #: The number of matches on all pages.
    total_size: int


class ChangeKind(enum.IntEnum):
    """The kind of a change, as its reader has to handle it."""

    #: A kind that only a newer server knows.
    UNSPECIFIED = 0
    #: The feedback is at its first revision.
    ADDED = 1
    #: The feedback is at a later revision; the reader may have seen none before.
    UPDATED = 2
    #: The feedback is gone: only its ids and its times are set. It comes whatever the filters say,
    #: session_id aside; readers ignore ids that they do not know.
    DELETED = 3
    #: The feedback has changed and does not match the filters, perhaps no longer; the same is set.
    LEFT = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A feedback that was added, changed or deleted."""

    kind: ChangeKind
    #: A watch with this start_position goes on after this change.
    position: str
    #: The feedback in its present state.
    feedback: Feedback


@dataclass(frozen=True, slots=True)
class Metrics:
    """Exact counts and rates."""

    total: int
    positive: int
    negative: int
    neutral: int
    #: In code points, over all feedback, also without a comment; 0 without feedback.
    average_comment_length: float
    #: 100 * positive / total; 0 without feedback.
    satisfaction_rate: float
    #: 100 * positive / (positive + negative); 0 without either.
    approval_rate: float


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """Metrics of all matching feedback, and of its groups."""

    metrics: Metrics
    #: The metrics by the group's key, in ascending order, without empty groups.
    groups: Mapping[str, Metrics]


class AlertState(enum.IntEnum):
    """The state of an alert's delivery."""

    #: The alert waits for its next attempt.
    PENDING = 1
    #: The alert was given up: it is a dead letter.
    DEAD = 2


@dataclass(frozen=True, slots=True)
class Alert:
    """A feedback that a notification hook of the daemon delivers."""

    #: Ascending in the order of queueing.
    alert_id: int
    state: AlertState
    #: The notification hook that delivers it.
    hook: str
    feedback_id: str
    session_id: str
    rating: Rating
    comment: str
    #: The time at which the feedback was accepted.
    created_at: datetime
    #: The number of the session's feedbacks with a rating of the hook's, up to this one.
    session_count: int
    #: The same number for all sessions.
    total_count: int
    #: The time at which the alert was queued, or last made pending again.
    queued_at: datetime
    #: The number of attempts since then.
    attempts: int
    #: None on dead letters.
    next_attempt_at: datetime | None
    #: The reason of the last failed attempt; empty without one.
    last_error: str


#: A session's metadata: a JSON object.
Metadata = dict[str, Any]
