"""Alerts to values and back, for both clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ._messages import RATINGS, datetime_of, items_of
from ._proto import alert_pb2, replies_pb2
from ._ttrpc import Method
from .values import Alert, AlertState, Rating

_SERVICE = "feedback.v1.AlertService"
LIST_ALERTS = Method(_SERVICE, "ListAlerts", replies_pb2.ListAlertsReply)
RETRY_ALERTS = Method(_SERVICE, "RetryAlerts", replies_pb2.RetryAlertsReply)


def list_request(state: AlertState, page_size: int, page_token: str) -> bytes:
    return alert_pb2.ListAlertsRequest(
        state=int(state),  # type: ignore[arg-type]
        page_size=page_size,
        page_token=page_token,
    ).SerializeToString()


def retry_request(alert_ids: Iterable[int]) -> bytes:
    ids = items_of("alert_ids", alert_ids)
    try:
        return alert_pb2.RetryAlertsRequest(alert_ids=ids).SerializeToString()
    except (TypeError, ValueError):
        raise TypeError("alert_ids must be a list of int") from None


def alerts(response: alert_pb2.ListAlertsResponse) -> Iterator[Alert]:
    return map(_alert, response.alerts)


def _alert(message: alert_pb2.Alert) -> Alert:
    is_pending = message.state == alert_pb2.ALERT_STATE_PENDING
    return Alert(
        alert_id=message.alert_id,
        state=AlertState.PENDING if is_pending else AlertState.DEAD,
        hook=message.hook,
        feedback_id=message.feedback_id,
        session_id=message.session_id,
        rating=RATINGS.get(message.rating, Rating.NONE),
        comment=message.comment,
        created_at=datetime_of(message.created_at),
        session_count=message.session_count,
        total_count=message.total_count,
        queued_at=datetime_of(message.queued_at),
        attempts=message.attempts,
        next_attempt_at=datetime_of(message.next_attempt_at) if is_pending else None,
        last_error=message.last_error,
    )
