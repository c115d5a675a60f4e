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


@dataclass(frozen=True, slots=True)
class Destination:
    """Something that changes are delivered to."""

    #: The name in the daemon's configuration.
    name: str
    #: Such as webhook, command, langfuse or mongodb.
    kind: str
    #: Every change up to this position has been delivered, or is among the deliveries.
    position: str
    #: The number of changes after the position.
    behind_changes: int
    #: The age of the first of them.
    behind_seconds: int
    #: The number of deliveries that wait for another attempt.
    retrying: int
    #: The number of dead letters: deliveries that were given up.
    dead: int
    #: The number of changes that lacked something the destination needs.
    skipped: int
    #: Empty if there has been no error.
    last_error: str
    #: True after `pause_destination`.
    paused: bool
    #: The time at which a destination that does not answer is tried again; None while it answers.
    next_attempt_at: datetime | None


class DeliveryState(enum.IntEnum):
    """The state of a delivery."""

    #: The delivery waits for another attempt.
    RETRYING = 1
    #: The delivery was given up: it is a dead letter.
    DEAD = 2


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that was not delivered at the first attempt.

    What is delivered is its state at that time.
    """

    #: Unique within the destination; it says nothing else.
    delivery_id: str
    destination: str
    state: DeliveryState
    #: The feedback that is delivered; empty if it is metadata.
    feedback_id: str
    session_id: str
    attempts: int
    first_attempt_at: datetime
    #: None on dead letters.
    next_attempt_at: datetime | None
    #: The reason of the last failed attempt, without any text of the feedback.
    last_error: str
    #: The feedback as it would be delivered, if it was asked for.
    feedback: Feedback | None


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How the daemon is."""

    version: str
    started_at: datetime
    #: The store as the configuration names it, without secrets.
    store: str
    #: The position of the last change; empty if the store keeps no log of changes.
    position: str
    destinations: tuple[Destination, ...]
    #: The number of writes that MongoDB does not have yet.
    unreplicated: int
    #: The time of the oldest of them.
    unreplicated_since: datetime | None


#: A session's metadata: a JSON object.
Metadata = dict[str, Any]
