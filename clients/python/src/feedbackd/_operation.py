"""The calls that operate the daemon, as `_calls` has the others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ._arguments import checked_bool, checked_text, checked_texts, clamped_int32
from ._core import Call
from ._messages import Values, decode_feedback, decode_timestamp
from ._proto import admin_pb2, delivery_pb2, replies_pb2
from ._ttrpc import Method
from .errors import invalid_argument
from .values import Delivery, DeliveryState, Destination, ServerStatus


def get_status(*, timeout: float | None = None) -> Call[ServerStatus]:
    """Returns how the daemon, its store and its destinations are.

    This method and those about destinations and deliveries are for the daemon's own user, root and
    the users of its setting ``admin_uid``; others get PERMISSION_DENIED.
    """
    return Call(GET_STATUS, admin_pb2.GetStatusRequest().SerializeToString(), timeout)


def list_destinations(*, timeout: float | None = None) -> Call[tuple[Destination, ...]]:
    """Returns all destinations of changes, in the order of the daemon's configuration."""
    request = delivery_pb2.ListDestinationsRequest()
    return Call(LIST_DESTINATIONS, request.SerializeToString(), timeout)


def pause_destination(name: str, *, timeout: float | None = None) -> Call[Destination]:
    """Delivers nothing more to a destination until it is resumed, also after a new start.

    Raises NOT_FOUND if there is no such destination, as all methods that name one do.
    """
    request = delivery_pb2.PauseDestinationRequest(name=checked_text("name", name))
    return Call(PAUSE_DESTINATION, request.SerializeToString(), timeout)


def resume_destination(name: str, *, timeout: float | None = None) -> Call[Destination]:
    """Delivers to a paused destination again."""
    request = delivery_pb2.ResumeDestinationRequest(name=checked_text("name", name))
    return Call(RESUME_DESTINATION, request.SerializeToString(), timeout)


def rewind_destination(
    name: str, position: str | None, *, timeout: float | None = None
) -> Call[Destination]:
    """Delivers again what came after the position; None means everything that is there.

    An empty position is refused. Raises OUT_OF_RANGE for a position that is of another store, or of
    changes that are no longer kept.
    """
    if position is not None and not checked_text("position", position):
        raise invalid_argument("position", "must not be empty; None means everything")
    request = delivery_pb2.RewindDestinationRequest(
        name=checked_text("name", name), position=position or ""
    )
    return Call(REWIND_DESTINATION, request.SerializeToString(), timeout)


def test_destination(name: str, *, timeout: float | None = None) -> Call[str]:
    """Sends a test message, and returns why the destination refused it; empty if it took it."""
    request = delivery_pb2.TestDestinationRequest(name=checked_text("name", name))
    return Call(TEST_DESTINATION, request.SerializeToString(), timeout)


def list_deliveries(
    destination: str = "",
    state: DeliveryState = DeliveryState.DEAD,
    *,
    with_content: bool = False,
    page_size: int = 0,
    timeout: float | None = None,
) -> Call[Values[Delivery]]:
    """Lists the dead letters, or the deliveries that wait for another attempt, page by page.

    They come in the order of their first attempts, of one destination, or without one of all. Only
    ``with_content`` has what is in them. A page has 100 deliveries, or page_size, at most 1,000.
    The timeout is for each page.
    """
    request = delivery_pb2.ListDeliveriesRequest(
        destination=checked_text("destination", destination),
        state=clamped_int32("state", state),
        with_content=checked_bool("with_content", with_content),
        page_size=clamped_int32("page_size", page_size),
    )
    return Call(LIST_DELIVERIES, request.SerializeToString(), timeout)


def retry_deliveries(
    destination: str,
    delivery_ids: Iterable[str] | None = None,
    *,
    all: bool = False,
    timeout: float | None = None,
) -> Call[int]:
    """Makes deliveries due at once, dead letters too, and returns how many.

    They are the named ones, at most 1,000, or with ``all`` all dead letters of the destination. One
    of both must be given. Deliveries that are gone are passed over. An empty list names none:
    nothing is done.
    """
    named = _named(delivery_ids)
    request = delivery_pb2.RetryDeliveriesRequest(
        destination=checked_text("destination", destination),
        delivery_ids=named,
        all=checked_bool("all", all),
    )
    call = Call(RETRY_DELIVERIES, request.SerializeToString(), timeout)
    if named == [] and not all:
        call.result = 0
    return call


def drop_deliveries(
    destination: str,
    delivery_ids: Iterable[str] | None = None,
    *,
    all: bool = False,
    timeout: float | None = None,
) -> Call[int]:
    """Gives deliveries up for ever, and returns how many; the feedback itself stays.

    Which ones is said as to `retry_deliveries`.
    """
    named = _named(delivery_ids)
    request = delivery_pb2.DropDeliveriesRequest(
        destination=checked_text("destination", destination),
        delivery_ids=named,
        all=checked_bool("all", all),
    )
    call = Call(DROP_DELIVERIES, request.SerializeToString(), timeout)
    if named == [] and not all:
        call.result = 0
    return call


def _named(delivery_ids: Iterable[str] | None) -> list[str] | None:
    return None if delivery_ids is None else checked_texts("delivery_ids", delivery_ids)


def _decode_status(response: admin_pb2.GetStatusResponse) -> ServerStatus:
    return ServerStatus(
        version=response.version,
        started_at=decode_timestamp(response.started_at),
        store=response.store,
        position=response.position,
        destinations=_decode_destinations(response),
        unreplicated=response.unreplicated,
        unreplicated_since=_optional_time(response, "unreplicated_since"),
    )


def _decode_destinations(response: Any) -> tuple[Destination, ...]:
    return tuple(map(_decode_destination, response.destinations))


def _decode_one_destination(response: Any) -> Destination:
    return _decode_destination(response.destination)


def _decode_destination(message: delivery_pb2.Destination) -> Destination:
    return Destination(
        name=message.name,
        kind=message.kind,
        position=message.position,
        behind_changes=message.behind_changes,
        behind_seconds=message.behind_seconds,
        retrying=message.retrying,
        dead=message.dead,
        skipped=message.skipped,
        last_error=message.last_error,
        paused=message.paused,
        next_attempt_at=_optional_time(message, "next_attempt_at"),
    )


def _decode_deliveries(response: delivery_pb2.ListDeliveriesResponse) -> Values[Delivery]:
    following = delivery_pb2.ListDeliveriesRequest(page_token=response.next_page_token)
    return map(_decode_delivery, response.deliveries), following.SerializeToString()


def _decode_delivery(message: delivery_pb2.Delivery) -> Delivery:
    is_retrying = message.state == delivery_pb2.DELIVERY_STATE_RETRYING
    has_feedback = message.HasField("feedback")
    return Delivery(
        delivery_id=message.delivery_id,
        destination=message.destination,
        state=DeliveryState.RETRYING if is_retrying else DeliveryState.DEAD,
        feedback_id=message.feedback_id,
        session_id=message.session_id,
        attempts=message.attempts,
        first_attempt_at=decode_timestamp(message.first_attempt_at),
        next_attempt_at=_optional_time(message, "next_attempt_at"),
        last_error=message.last_error,
        feedback=decode_feedback(message.feedback) if has_feedback else None,
    )


def _optional_time(message: Any, field: str) -> datetime | None:
    instant: Timestamp = getattr(message, field)
    return decode_timestamp(instant) if message.HasField(field) else None


def _error(response: delivery_pb2.TestDestinationResponse) -> str:
    return response.error


def _retried(response: delivery_pb2.RetryDeliveriesResponse) -> int:
    return response.retried


def _dropped(response: delivery_pb2.DropDeliveriesResponse) -> int:
    return response.dropped


_ADMIN_SERVICE = "feedback.v1.AdminService"
_DELIVERY_SERVICE = "feedback.v1.DeliveryService"
GET_STATUS = Method(_ADMIN_SERVICE, "GetStatus", replies_pb2.GetStatusReply, _decode_status)
LIST_DESTINATIONS = Method(
    _DELIVERY_SERVICE, "ListDestinations", replies_pb2.ListDestinationsReply, _decode_destinations
)
PAUSE_DESTINATION = Method(
    _DELIVERY_SERVICE,
    "PauseDestination",
    replies_pb2.PauseDestinationReply,
    _decode_one_destination,
)
RESUME_DESTINATION = Method(
    _DELIVERY_SERVICE,
    "ResumeDestination",
    replies_pb2.ResumeDestinationReply,
    _decode_one_destination,
)
REWIND_DESTINATION = Method(
    _DELIVERY_SERVICE,
    "RewindDestination",
    replies_pb2.RewindDestinationReply,
    _decode_one_destination,
)
TEST_DESTINATION = Method(
    _DELIVERY_SERVICE, "TestDestination", replies_pb2.TestDestinationReply, _error
)
LIST_DELIVERIES = Method(
    _DELIVERY_SERVICE, "ListDeliveries", replies_pb2.ListDeliveriesReply, _decode_deliveries
)
RETRY_DELIVERIES = Method(
    _DELIVERY_SERVICE, "RetryDeliveries", replies_pb2.RetryDeliveriesReply, _retried
)
DROP_DELIVERIES = Method(
    _DELIVERY_SERVICE, "DropDeliveries", replies_pb2.DropDeliveriesReply, _dropped
)
