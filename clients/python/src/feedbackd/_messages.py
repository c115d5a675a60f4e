"""Values to messages and back, for the client of threads and that of asyncio alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from ._proto import feedback_pb2, health_pb2, replies_pb2, session_pb2
from ._request_ids import new_request_id
from ._ttrpc import Method
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

_AddFeedbackRequest = feedback_pb2.AddFeedbackRequest

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
#: Whole numbers up to here are exact in JSON, where all numbers are doubles.
_INTEGER_MAX = 1 << 53
#: The server's limit, and what keeps a value that contains itself from going on forever.
_METADATA_DEPTH_MAX = 16


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
        request = _AddFeedbackRequest(
            session_id=session_id,
            rating=_RATING_NUMBERS[rating],  # type: ignore[arg-type]
            comment=comment,
            request_id=request_id or new_request_id(),
        )
        # What is mostly empty costs nothing when it is.
        if message_id:
            request.message_id = message_id
        if agent_id:
            request.agent_id = agent_id
        if author is not None:
            request.author.source = author.source  # type: ignore[assignment]
            request.author.id = author.id
        if tags:
            request.tags.extend(items_of("tags", tags))
        if attributes:
            request.attributes.update(attributes)
        return request.SerializeToString()
    except (KeyError, TypeError, ValueError) as error:
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
        _fill(request.metadata, metadata, depth=1)
        # Present also when it has no keys.
        request.metadata.SetInParent()
        return request.SerializeToString()
    except InvalidArgumentError:
        raise
    except (TypeError, ValueError) as error:
        _explain(error, session_id=session_id, metadata=_texts(metadata, depth=1))


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
    return _plain_object(response.metadata)


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


def _fill(struct: Struct, metadata: Mapping[str, Any], depth: int) -> None:
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a dict, not {type(metadata).__name__}")
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise invalid("metadata", f"keys must be strings, one is {type(key).__name__}")
        _set(struct.fields[key], value, depth)


def _set(message: Value, value: Any, depth: int) -> None:
    if value is None:
        message.null_value = 0  # type: ignore[assignment]
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, (int, float)):
        message.number_value = _number(value)
    elif depth >= _METADATA_DEPTH_MAX:
        raise invalid("metadata", f"must be at most {_METADATA_DEPTH_MAX} levels deep")
    elif isinstance(value, Mapping):
        message.struct_value.SetInParent()
        _fill(message.struct_value, value, depth + 1)
    elif isinstance(value, (list, tuple)):
        message.list_value.SetInParent()
        for item in value:
            _set(message.list_value.values.add(), item, depth + 1)
    else:
        raise invalid(
            "metadata",
            "values must be None, booleans, numbers, strings, lists or dicts, one is "
            + type(value).__name__,
        )


def _number(value: float) -> float:
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        raise invalid("metadata", "whole numbers above 2**53 would be rounded: pass a string")
    if not math.isfinite(value):
        raise invalid("metadata", "numbers must be finite")
    return float(value)


def _plain_object(struct: Struct) -> Metadata:
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(message: Value) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        number = message.number_value
        # JSON does not tell 5 from 5.0; whole numbers are what people write.
        is_whole = number.is_integer() and abs(number) <= _INTEGER_MAX
        return int(number) if is_whole else number
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return _plain_object(message.struct_value)
    if kind == "list_value":
        return [_plain(value) for value in message.list_value.values]
    return None


def _texts(value: Any, depth: int) -> list[str]:
    """All strings in a metadata value, which may contain itself."""
    if isinstance(value, str):
        return [value]
    if depth > _METADATA_DEPTH_MAX:
        return []
    if isinstance(value, Mapping):
        values = [*value, *value.values()]
    elif isinstance(value, (list, tuple)):
        values = list(value)
    else:
        return []
    return [text for item in values for text in _texts(item, depth + 1)]


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
