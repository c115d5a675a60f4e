"""The calls of both clients: each with its arguments, its request and its result.

Both clients make their methods of these functions, with the same signatures and docstrings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ._arguments import (
    checked_bool,
    checked_list,
    checked_text,
    checked_texts,
    clamped_int32,
    wrong_type,
)
from ._core import Call, Watch
from ._messages import (
    RATING_NUMBERS,
    Values,
    checked_session_id,
    decode_feedbacks,
    decode_health,
    decode_metadata,
    decode_metrics_report,
    decode_page,
    encode_rating,
    encode_timestamp,
)
from ._metadata import encode_object
from ._proto import feedback_pb2, health_pb2, replies_pb2, session_pb2
from ._request_ids import new_request_id
from ._ttrpc import VARINTS, Method
from .values import (
    ALL_SESSIONS,
    AddedFeedback,
    AllSessions,
    Author,
    Feedback,
    FeedbackPage,
    GroupBy,
    Metadata,
    MetricsReport,
    Rating,
)

_FEEDBACK_SERVICE = "feedback.v1.FeedbackService"
_SESSION_SERVICE = "feedback.v1.SessionService"
ADD_FEEDBACK = Method(_FEEDBACK_SERVICE, "AddFeedback", replies_pb2.AddFeedbackReply, AddedFeedback)
LIST_FEEDBACKS = Method(
    _FEEDBACK_SERVICE, "ListFeedbacks", replies_pb2.ListFeedbacksReply, decode_feedbacks
)
LIST_PAGE = Method(_FEEDBACK_SERVICE, "ListFeedbacks", replies_pb2.ListFeedbacksReply, decode_page)
GET_METRICS = Method(
    _FEEDBACK_SERVICE, "GetMetrics", replies_pb2.GetMetricsReply, decode_metrics_report
)
WATCH_FEEDBACKS = Method(
    _FEEDBACK_SERVICE, "WatchFeedbacks", replies_pb2.WatchFeedbacksReply, bool
)
UPDATE_METADATA = Method(
    _SESSION_SERVICE, "UpdateMetadata", replies_pb2.UpdateMetadataReply, decode_metadata
)
GET_METADATA = Method(
    _SESSION_SERVICE, "GetMetadata", replies_pb2.GetMetadataReply, decode_metadata
)
DELETE_METADATA = Method(
    _SESSION_SERVICE, "DeleteMetadata", replies_pb2.DeleteMetadataReply, decode_metadata
)
CHECK_HEALTH = Method("grpc.health.v1.Health", "Check", replies_pb2.CheckReply, decode_health)

# Fields of an AddFeedbackRequest: the tags of texts, and each rating's tag and value.
_SESSION_ID, _COMMENT, _REQUEST_ID = b"\x0a", b"\x1a", b"\x22"
_RATING_FIELDS = {key: bytes((0x10, number)) for key, number in RATING_NUMBERS.items()}

_utf8 = str.encode
#: Arguments of an add that are left out.
_NO_TEXT = ""
_NO_TAGS: tuple[str, ...] = ()


def add_feedback(
    session_id: str,
    rating: Rating | str | None = None,
    comment: str = "",
    *,
    request_id: str = "",
    message_id: str = "",
    agent_id: str = "",
    author: Author | None = None,
    tags: Iterable[str] = (),
    attributes: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Call[AddedFeedback]:
    """Stores a feedback; it is durable when this returns.

    The rating is a `Rating`, ``"up"``, ``"down"`` or None. A request_id that the session has
    already is answered with the feedback stored first, and ``replayed``; without a request_id a new
    one is made.
    """
    try:
        session = _utf8(session_id)
        text = b"" if comment is None else _utf8(comment)
        request = (b"" if request_id is None else _utf8(request_id)) or new_request_id()
        # The fields that every request has are written out: protobuf would take twice as long.
        common = b"".join(
            (
                _SESSION_ID,
                VARINTS[len(session)],
                session,
                _RATING_FIELDS[rating],
                _COMMENT,
                VARINTS[len(text)],
                text,
                _REQUEST_ID,
                VARINTS[len(request)],
                request,
            )
        )
    except (KeyError, TypeError, ValueError):
        # Only now each argument is checked by itself, to name the one at fault.
        checked_text("session_id", session_id)
        encode_rating("rating", rating)
        for field, text_given in (("comment", comment), ("request_id", request_id)):
            if text_given is not None:
                checked_text(field, text_given)
        raise
    # Compared by identity with the defaults, as few callers give others: lists of other libraries
    # do not compare as Python's do, and values of wrong types may equal anything.
    if not (
        message_id is _NO_TEXT
        and agent_id is _NO_TEXT
        and tags is _NO_TAGS
        and author is None
        and attributes is None
    ):
        common += _further_fields(message_id, agent_id, author, tags, attributes)
    return Call(ADD_FEEDBACK, common, timeout)


def list_feedbacks(
    session_id: str | AllSessions = ALL_SESSIONS,
    *,
    ratings: Iterable[Rating | str | None] = (),
    created_at_or_after: datetime | None = None,
    created_before: datetime | None = None,
    message_id: str = "",
    has_comment: bool | None = None,
    page_size: int = 0,
    newest_first: bool = False,
    timeout: float | None = None,
) -> Call[Values[Feedback]]:
    """Lists all feedback that matches, in the order of insertion, page by page as it is consumed.

    Without a session_id, feedback of all sessions matches; an empty session_id is refused. Without
    ratings, every rating matches. Datetimes need a time zone. A page has 100 feedbacks, or
    page_size, at most 1,000. The timeout is for each page.
    """
    request = feedback_pb2.ListFeedbacksRequest(
        **_filter(
            session_id, ratings, created_at_or_after, created_before, message_id, has_comment
        ),
        page_size=clamped_int32("page_size", page_size),
        newest_first=checked_bool("newest_first", newest_first),
    )
    return Call(LIST_FEEDBACKS, request.SerializeToString(), timeout)


def list_page(
    session_id: str | AllSessions = ALL_SESSIONS,
    *,
    ratings: Iterable[Rating | str | None] = (),
    created_at_or_after: datetime | None = None,
    created_before: datetime | None = None,
    message_id: str = "",
    has_comment: bool | None = None,
    page_size: int = 0,
    page_token: str = "",
    newest_first: bool = False,
    timeout: float | None = None,
) -> Call[FeedbackPage]:
    """Returns one page of a list.

    The first page has no page_token; each further one has the next_page_token of the page before,
    with the same filters.
    """
    request = feedback_pb2.ListFeedbacksRequest(
        **_filter(
            session_id, ratings, created_at_or_after, created_before, message_id, has_comment
        ),
        page_size=clamped_int32("page_size", page_size),
        newest_first=checked_bool("newest_first", newest_first),
        page_token=checked_text("page_token", page_token),
    )
    return Call(LIST_PAGE, request.SerializeToString(), timeout)


def watch_feedbacks(
    session_id: str | AllSessions = ALL_SESSIONS,
    *,
    ratings: Iterable[Rating | str | None] = (),
    created_at_or_after: datetime | None = None,
    created_before: datetime | None = None,
    message_id: str = "",
    has_comment: bool | None = None,
    start_position: str = "",
    from_now: bool = False,
    follow: bool = True,
    timeout: float | None = None,
) -> Watch:
    """Follows the changes of all feedback that matches, each feedback once, at its latest change.

    The stream begins with the oldest change that is kept, after start_position (see
    `Change.position`), or with ``from_now`` with the next change. At the end it waits for further
    changes, or without ``follow`` ends. The filters are those of `list_feedbacks`.

    It begins with the first step of the iteration. When the connection is lost or the server is
    UNAVAILABLE, it goes on after the last change as soon as the server is there again. The timeout
    is for reaching the server the first time. Raises OUT_OF_RANGE for a position that is of another
    store, or of changes that are no longer kept.
    """
    request = feedback_pb2.WatchFeedbacksRequest(
        filter=feedback_pb2.FeedbackFilter(
            **_filter(
                session_id, ratings, created_at_or_after, created_before, message_id, has_comment
            )
        ),
        start_position=checked_text("start_position", start_position),
        from_now=checked_bool("from_now", from_now),
        follow=checked_bool("follow", follow),
    )
    return Watch(WATCH_FEEDBACKS, request, timeout)


def get_metrics(
    session_id: str | AllSessions = ALL_SESSIONS,
    *,
    created_at_or_after: datetime | None = None,
    created_before: datetime | None = None,
    group_by: GroupBy = GroupBy.NOTHING,
    metadata_key: str = "",
    timeout: float | None = None,
) -> Call[MetricsReport]:
    """Returns exact metrics of a session, or without a session_id of all sessions.

    An empty session_id is refused.
    """
    request = feedback_pb2.GetMetricsRequest(
        session_id=_session_or_all(session_id),
        created_at_or_after=encode_timestamp("created_at_or_after", created_at_or_after),
        created_before=encode_timestamp("created_before", created_before),
        group_by=clamped_int32("group_by", group_by),
        metadata_key=checked_text("metadata_key", metadata_key),
    )
    return Call(GET_METRICS, request.SerializeToString(), timeout)


def update_metadata(
    session_id: str, metadata: Mapping[str, Any], *, timeout: float | None = None
) -> Call[Metadata]:
    """Merges top-level keys into a session's metadata and returns it as it is then."""
    if not isinstance(metadata, Mapping):
        raise wrong_type("metadata", "a dict", metadata)
    request = session_pb2.UpdateMetadataRequest(session_id=checked_session_id(session_id))
    encode_object(request.metadata, metadata, depth=1)
    # The field is present even if the object has no keys.
    request.metadata.SetInParent()
    return Call(UPDATE_METADATA, request.SerializeToString(), timeout)


def get_metadata(session_id: str, *, timeout: float | None = None) -> Call[Metadata]:
    """Returns a session's metadata; raises NOT_FOUND if the session is unknown."""
    request = session_pb2.GetMetadataRequest(session_id=checked_session_id(session_id))
    return Call(GET_METADATA, request.SerializeToString(), timeout)


def delete_metadata(
    session_id: str, keys: Iterable[str], *, timeout: float | None = None
) -> Call[Metadata]:
    """Removes top-level keys and returns the metadata as it is then.

    Raises NOT_FOUND if the session is unknown; keys that it does not have are passed over.
    """
    request = session_pb2.DeleteMetadataRequest(
        session_id=checked_session_id(session_id), keys=checked_texts("keys", keys)
    )
    return Call(DELETE_METADATA, request.SerializeToString(), timeout)


def health(service: str = "", *, timeout: float | None = None) -> Call[bool]:
    """Returns whether the server serves calls now, which it does not while its store is away.

    Raises UNAVAILABLE if the server itself is not there.
    """
    request = health_pb2.HealthCheckRequest(service=checked_text("service", service))
    return Call(CHECK_HEALTH, request.SerializeToString(), timeout)


def _further_fields(
    message_id: str,
    agent_id: str,
    author: Author | None,
    tags: Iterable[str],
    attributes: Mapping[str, str] | None,
) -> bytes:
    """Encodes the fields of an AddFeedbackRequest that most requests do not have."""
    request = feedback_pb2.AddFeedbackRequest()
    if message_id is not None:
        request.message_id = checked_text("message_id", message_id)
    if agent_id is not None:
        request.agent_id = checked_text("agent_id", agent_id)
    if author is not None:
        if not isinstance(author, Author):
            raise wrong_type("author", "an Author", author)
        request.author.source = clamped_int32("author.source", author.source)
        request.author.id = checked_text("author.id", author.id)
    if tags is not None:
        request.tags.extend(checked_texts("tags", tags))
    if attributes is not None:
        if not isinstance(attributes, Mapping):
            raise wrong_type("attributes", "a dict", attributes)
        checked_texts("attributes", [*attributes, *attributes.values()])
        request.attributes.update(attributes)
    return request.SerializeToString()


def _filter(
    session_id: str | AllSessions,
    ratings: Iterable[Rating | str | None],
    created_at_or_after: datetime | None,
    created_before: datetime | None,
    message_id: str,
    has_comment: bool | None,
) -> dict[str, Any]:
    """Returns the fields that lists and watches have in common."""
    return {
        "session_id": _session_or_all(session_id),
        "ratings": [encode_rating("ratings", one) for one in checked_list("ratings", ratings)],
        "created_at_or_after": encode_timestamp("created_at_or_after", created_at_or_after),
        "created_before": encode_timestamp("created_before", created_before),
        "message_id": checked_text("message_id", message_id),
        # Without this field, feedback with a comment and without one matches.
        "has_comment": None if has_comment is None else checked_bool("has_comment", has_comment),
    }


def _session_or_all(session_id: str | AllSessions) -> str:
    """Returns the session_id of a list or of metrics; an empty one means all to the server.

    Only ALL_SESSIONS becomes empty, never a value that a caller took for a session's.
    """
    return "" if session_id is ALL_SESSIONS else checked_session_id(session_id)
