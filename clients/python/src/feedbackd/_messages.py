"""Converts messages to values, and back what several requests have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from ._arguments import checked_text, wrong_type
from ._metadata import decode_object
from ._proto import feedback_pb2, health_pb2
from .errors import invalid_argument
from .values import (
    Author,
    AuthorSource,
    Change,
    ChangeKind,
    Feedback,
    FeedbackPage,
    Metadata,
    Metrics,
    MetricsReport,
    Rating,
)

_Value = TypeVar("_Value")
#: The values of a list's page, and the fields for the next page's request (see `Call.followed_by`).
Values = tuple[Iterable[_Value], bytes]

RATINGS: dict[int, Rating] = {
    feedback_pb2.RATING_UNSPECIFIED: Rating.NONE,
    feedback_pb2.RATING_UP: Rating.UP,
    feedback_pb2.RATING_DOWN: Rating.DOWN,
}
#: The ratings' numbers by the rating and by its value; callers may give either.
RATING_NUMBERS: dict[Rating | str | None, int] = {
    key: number for number, rating in RATINGS.items() for key in (rating, rating.value)
}

# Setting the slots directly takes half as long as a frozen dataclass's own __init__.
_new = object.__new__
(
    _set_feedback_id,
    _set_session_id,
    _set_rating,
    _set_comment,
    _set_created_at,
    _set_updated_at,
    _set_message_id,
    _set_agent_id,
    _set_author,
    _set_tags,
    _set_attributes,
) = (getattr(Feedback, field.name).__set__ for field in fields(Feedback))

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def decode_feedbacks(response: feedback_pb2.ListFeedbacksResponse) -> Values[Feedback]:
    following = feedback_pb2.ListFeedbacksRequest(page_token=response.next_page_token)
    return map(decode_feedback, response.feedbacks), following.SerializeToString()


def decode_page(response: feedback_pb2.ListFeedbacksResponse) -> FeedbackPage:
    return FeedbackPage(
        tuple(map(decode_feedback, response.feedbacks)),
        response.next_page_token,
        response.total_size,
    )


def decode_metrics_report(response: feedback_pb2.GetMetricsResponse) -> MetricsReport:
    groups = {group.key: _decode_metrics(group.metrics) for group in response.groups}
    return MetricsReport(_decode_metrics(response.metrics), groups)


def decode_metadata(response: Any) -> Metadata:
    return decode_object(response.metadata)


def decode_health(response: health_pb2.HealthCheckResponse) -> bool:
    return response.status == health_pb2.HealthCheckResponse.SERVING


def decode_feedback(message: feedback_pb2.Feedback) -> Feedback:
    created, updated = message.created_at, message.updated_at
    created_at = updated_at = decode_timestamp(created)
    if created != updated:
        updated_at = decode_timestamp(updated)
    author = None
    if message.HasField("author"):
        source = message.author.source
        known = source in AuthorSource._value2member_map_
        author = Author(
            AuthorSource(source) if known else AuthorSource.UNSPECIFIED, message.author.id
        )
    tags, attributes = message.tags, message.attributes
    feedback = _new(Feedback)
    _set_feedback_id(feedback, message.feedback_id)
    _set_session_id(feedback, message.session_id)
    # A rating that only a newer server knows is read as none.
    _set_rating(feedback, RATINGS.get(message.rating, Rating.NONE))
    _set_comment(feedback, message.comment)
    _set_created_at(feedback, created_at)
    _set_updated_at(feedback, updated_at)
    _set_message_id(feedback, message.message_id)
    _set_agent_id(feedback, message.agent_id)
    _set_author(feedback, author)
    _set_tags(feedback, tuple(tags) if tags else ())
    _set_attributes(feedback, dict(attributes) if attributes else {})
    return feedback


def decode_change(message: feedback_pb2.Change) -> Change:
    known = message.kind in ChangeKind._value2member_map_
    kind = ChangeKind(message.kind) if known else ChangeKind.UNSPECIFIED
    return Change(kind, message.position, decode_feedback(message.feedback))


def _decode_metrics(message: feedback_pb2.Metrics) -> Metrics:
    return Metrics(
        message.total,
        message.positive,
        message.negative,
        message.neutral,
        message.average_comment_length,
        message.satisfaction_rate,
        message.approval_rate,
    )


def decode_timestamp(instant: Timestamp) -> datetime:
    return _EPOCH + timedelta(0, instant.seconds, instant.nanos // 1000)


def encode_rating(field: str, rating: Rating | str | None) -> Any:
    try:
        return RATING_NUMBERS[rating]
    except (KeyError, TypeError):
        raise invalid_argument(field, 'must be "up", "down" or None') from None


def checked_session_id(session_id: str) -> str:
    """Returns the session_id; raises TypeError, or INVALID_ARGUMENT for an empty one."""
    if not checked_text("session_id", session_id):
        raise invalid_argument("session_id", "must be 1 to 255 bytes, is empty")
    return session_id


def encode_timestamp(field: str, instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    if not isinstance(instant, datetime):
        raise wrong_type(field, "a datetime", instant)
    if instant.utcoffset() is None:
        raise invalid_argument(field, "must have a time zone, like datetime.now(timezone.utc)")
    since = instant - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)
