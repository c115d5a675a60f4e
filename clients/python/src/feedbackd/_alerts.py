"""The calls about alerts, as `_calls` has the others."""

from __future__ import annotations

from collections.abc import Iterable

from ._arguments import checked_int64s, clamped_int32
from ._core import Call
from ._messages import RATINGS, Values, decode_timestamp
from ._proto import alert_pb2, replies_pb2
from ._ttrpc import Method
from .values import Alert, AlertState, Rating


def list_alerts(
    state: AlertState = AlertState.DEAD,
    *,
    page_size: int = 0,
    timeout: float | None = None,
) -> Call[Values[Alert]]:
    """Lists the dead letters of notification hooks, or the alerts that are pending, page by page.

    They come in the order of queueing. The timeout is for each page.
    """
    request = alert_pb2.ListAlertsRequest(
        state=clamped_int32("state", state), page_size=clamped_int32("page_size", page_size)
    )
    return Call(LIST_ALERTS, request.SerializeToString(), timeout)


def retry_alerts(
    alert_ids: Iterable[int] | None = None, *, timeout: float | None = None
) -> Call[int]:
    """Makes dead letters pending again, due at once, and returns how many: all, or these.

    Alerts that are gone, or pending, are passed over. At most 1,000 may be named. An empty list
    names none: nothing is done.
    """
    ids = [] if alert_ids is None else checked_int64s("alert_ids", alert_ids)
    request = alert_pb2.RetryAlertsRequest(alert_ids=ids)
    call = Call(RETRY_ALERTS, request.SerializeToString(), timeout)
    if alert_ids is not None and not ids:
        # To the server, no ids mean all alerts.
        call.result = 0
    return call


def _decode_alerts(response: alert_pb2.ListAlertsResponse) -> Values[Alert]:
    following = alert_pb2.ListAlertsRequest(page_token=response.next_page_token)
    return map(_decode_alert, response.alerts), following.SerializeToString()


def _decode_retried(response: alert_pb2.RetryAlertsResponse) -> int:
    return response.retried


def _decode_alert(message: alert_pb2.Alert) -> Alert:
    is_pending = message.state == alert_pb2.ALERT_STATE_PENDING
    return Alert(
        alert_id=message.alert_id,
        state=AlertState.PENDING if is_pending else AlertState.DEAD,
        hook=message.hook,
        feedback_id=message.feedback_id,
        session_id=message.session_id,
        rating=RATINGS.get(message.rating, Rating.NONE),
        comment=message.comment,
        created_at=decode_timestamp(message.created_at),
        session_count=message.session_count,
        total_count=message.total_count,
        queued_at=decode_timestamp(message.queued_at),
        attempts=message.attempts,
        next_attempt_at=decode_timestamp(message.next_attempt_at) if is_pending else None,
        last_error=message.last_error,
    )


_SERVICE = "feedback.v1.AlertService"
LIST_ALERTS = Method(_SERVICE, "ListAlerts", replies_pb2.ListAlertsReply, _decode_alerts)
RETRY_ALERTS = Method(_SERVICE, "RetryAlerts", replies_pb2.RetryAlertsReply, _decode_retried)
