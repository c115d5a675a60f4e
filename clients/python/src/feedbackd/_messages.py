"""Values to messages and back, for the client of threads and that of asyncio alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from ._metadata import fill, plain_object, texts_in
from ._proto import feedback_pb2, health_pb2, replies_pb2, session_pb2
from ._request_ids import new_request_id
from ._ttrpc import Method, varint
from .errors import InvalidArgumentError, invalid
from .values import (
    AddedFeedback,
    Author,
    AuthorSource,
    Feedback,
    FeedbackPage,
    GroupBy,
    Metadata,
    Metrics,
    MetricsReport,
    Rating,
)

_FEEDBACK_SERVICE = "feedback.v1.FeedbackService"
_SESSION_SERVICE = "feedback.v1.SessionService"
ADD_FEEDBACK = Method(_FEEDBACK_SERVICE, "AddFeedback", replies_pb2.AddFeedbackReply)
LIST_FEEDBACKS = Method(_FEEDBACK_SERVICE, "ListFeedbacks", replies_pb2.ListFeedbacksReply)
GET_METRICS = Method(_FEEDBACK_SERVICE, "GetMetrics", replies_pb2.GetMetricsReply)
UPDATE_METADATA = Method(_SESSION_SERVICE, "UpdateMetadata", replies_pb2.UpdateMetadataReply)
GET_METADATA = Method(_SESSION_SERVICE, "GetMetadata", replies_pb2.GetMetadataReply)
DELETE_METADATA = Method(_SESSION_SERVICE, "DeleteMetadata", replies_pb2.DeleteMetadataReply)
CHECK_HEALTH = Method("grpc.health.v1.Health", "Check", replies_pb2.CheckReply)

RATINGS: dict[int, Rating] = {
    feedback_pb2.RATING_UNSPECIFIED: Rating.NONE,
    feedback_pb2.RATING_UP: Rating.UP,
    feedback_pb2.RATING_DOWN: Rating.DOWN,
}
#: By the rating and by its value, as callers give it.
_RATING_NUMBERS: dict[Rating | str | None, int] = {
    key: number for number, rating in RATINGS.items() for key in (rating, rating.value)
}

# Fields of an AddFeedbackRequest: texts by their tags, all ratings whole.
_SESSION_ID, _COMMENT, _REQUEST_ID = b"\x0a", b"\x1a", b"\x22"
_RATING_FIELDS = {key: bytes((0x10, number)) for key, number in _RATING_NUMBERS.items()}

# A frozen dataclass's own __init__ takes twice as long as this, which shows in every call.
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


def add_request(
    session_id: str,
    rating: Rating | str | None,
    comment: str,
    request_id: str,
    message_id: str,
    agent_id: str,
    author: Author | None,
    tags: Iterable[str],
    attributes: Mapping[str, str] | None,
) -> bytes:
    try:
        session = session_id.encode()
        text = comment.encode() if comment else b""
        request = (request_id or new_request_id()).encode()
        # What every request has is written out: a message object would take twice as long.
        common = b"".join(
            (
                _SESSION_ID,
                varint(len(session)),
                session,
                _RATING_FIELDS[rating],
                _COMMENT,
                varint(len(text)),
                text,
                _REQUEST_ID,
                varint(len(request)),
                request,
            )
        )
        if message_id or agent_id or author is not None or tags or attributes:
            return common + _further_fields(message_id, agent_id, author, tags, attributes)
        return common
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _rating_number("rating", rating)
        _explain(
            error,
            session_id=session_id,
            comment=comment,
            request_id=request_id,
            message_id=message_id,
            agent_id=agent_id,
            author=author.id if author else "",
            tags=tags,
            attributes=attributes or {},
        )


def _further_fields(
    message_id: str,
    agent_id: str,
    author: Author | None,
    tags: Iterable[str],
    attributes: Mapping[str, str] | None,
) -> bytes:
    """Those of an AddFeedbackRequest that most have not; they follow the others."""
    request = feedback_pb2.AddFeedbackRequest(
        message_id=message_id,
        agent_id=agent_id,
        tags=items_of("tags", tags),
        attributes=attributes,
    )
    if author is not None:
        request.author.source = author.source  # type: ignore[assignment]
        request.author.id = author.id
    return request.SerializeToString()


def list_request(
    session_id: str,
    ratings: Iterable[Rating | str | None],
    created_at_or_after: datetime | None,
    created_before: datetime | None,
    message_id: str,
    has_comment: bool | None,
    page_size: int,
    page_token: str,
    newest_first: bool,
) -> bytes:
    numbers = [_rating_number("ratings", rating) for rating in items_of("ratings", ratings)]
    try:
        return feedback_pb2.ListFeedbacksRequest(
            session_id=session_id,
            ratings=numbers,
            created_at_or_after=_timestamp("created_at_or_after", created_at_or_after),
            created_before=_timestamp("created_before", created_before),
            message_id=message_id,
            has_comment=has_comment,  # type: ignore[arg-type]
            page_size=page_size,
            page_token=page_token,
            newest_first=newest_first,
        ).SerializeToString()
    except (TypeError, ValueError) as error:
        _explain(error, session_id=session_id, message_id=message_id, page_token=page_token)


def metrics_request(
    session_id: str,
    created_at_or_after: datetime | None,
    created_before: datetime | None,
    group_by: GroupBy,
    metadata_key: str,
) -> bytes:
    try:
        return feedback_pb2.GetMetricsRequest(
            session_id=session_id,
            created_at_or_after=_timestamp("created_at_or_after", created_at_or_after),
            created_before=_timestamp("created_before", created_before),
            group_by=int(group_by),  # type: ignore[arg-type]
            metadata_key=metadata_key,
        ).SerializeToString()
    except (TypeError, ValueError) as error:
        _explain(error, session_id=session_id, metadata_key=metadata_key)


def update_metadata_request(session_id: str, metadata: Mapping[str, Any]) -> bytes:
    try:
        request = session_pb2.UpdateMetadataRequest(session_id=session_id)
        fill(request.metadata, metadata, depth=1)
        # Present also when it has no keys.
        request.metadata.SetInParent()
        return request.SerializeToString()
    except InvalidArgumentError:
        raise
    except (TypeError, ValueError) as error:
        _explain(error, session_id=session_id, metadata=texts_in(metadata, depth=1))


def get_metadata_request(session_id: str) -> bytes:
    try:
        return session_pb2.GetMetadataRequest(session_id=session_id).SerializeToString()
    except (TypeError, ValueError) as error:
        _explain(error, session_id=session_id)


def delete_metadata_request(session_id: str, keys: Iterable[str]) -> bytes:
    keys = items_of("keys", keys)
    try:
        request = session_pb2.DeleteMetadataRequest(session_id=session_id, keys=keys)
        return request.SerializeToString()
    except (TypeError, ValueError) as error:
        _explain(error, session_id=session_id, keys=keys)


def health_request(service: str) -> bytes:
    try:
        return health_pb2.HealthCheckRequest(service=service).SerializeToString()
    except (TypeError, ValueError) as error:
        _explain(error, service=service)


def added(response: feedback_pb2.AddFeedbackResponse) -> AddedFeedback:
    return AddedFeedback(response, _feedback)


def feedbacks(response: feedback_pb2.ListFeedbacksResponse) -> Iterator[Feedback]:
    return map(_feedback, response.feedbacks)


def page(response: feedback_pb2.ListFeedbacksResponse) -> FeedbackPage:
    return FeedbackPage(
        tuple(feedbacks(response)), response.next_page_token, response.total_size
    )


def metrics_report(response: feedback_pb2.GetMetricsResponse) -> MetricsReport:
    groups = {group.key: _metrics(group.metrics) for group in response.groups}
    return MetricsReport(_metrics(response.metrics), groups)


def metadata_of(response: Any) -> Metadata:
    return plain_object(response.metadata)


def is_serving(response: health_pb2.HealthCheckResponse) -> bool:
    return response.status == health_pb2.HealthCheckResponse.SERVING


def _feedback(message: feedback_pb2.Feedback) -> Feedback:
    created, updated = message.created_at, message.updated_at
    created_at = updated_at = datetime_of(created)
    if created != updated:
        updated_at = datetime_of(updated)
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
    # A verdict that a newer server knows is none that this client does.
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


def _metrics(message: feedback_pb2.Metrics) -> Metrics:
    return Metrics(
        message.total,
        message.positive,
        message.negative,
        message.neutral,
        message.average_comment_length,
        message.satisfaction_rate,
        message.approval_rate,
    )


def _rating_number(field: str, rating: Rating | str | None) -> Any:
    try:
        return _RATING_NUMBERS[rating]
    except (KeyError, TypeError):
        raise invalid(field, 'must be "up", "down" or None') from None


def datetime_of(instant: Timestamp) -> datetime:
    return _EPOCH + timedelta(0, instant.seconds, instant.nanos // 1000)


def _timestamp(field: str, instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    if not isinstance(instant, datetime):
        raise TypeError(f"{field} must be a datetime, not {type(instant).__name__}")
    if instant.tzinfo is None:
        raise invalid(field, "must have a time zone, like datetime.now(timezone.utc)")
    since = instant - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def items_of(field: str, items: Iterable[Any]) -> list[Any]:
    # A string is an iterable of strings too, but nobody means its letters.
    if isinstance(items, (str, bytes)):
        raise TypeError(f"{field} must be a list, not {type(items).__name__}")
    return list(items)


def _explain(error: Exception, **fields: Any) -> NoReturn:
    """Raises what names the field that protobuf did not take; else the error itself."""
    for field, value in fields.items():
        if isinstance(value, Mapping):
            texts = [*value, *value.values()]
        elif isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            texts = [value]
        else:
            texts = list(value)
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"{field} must be a str, not {type(text).__name__}") from None
            try:
                text.encode()
            except UnicodeEncodeError:
                raise invalid(field, "must be valid UTF-8, has a lone surrogate") from None
    raise error
