"""Alerts that could not be delivered."""

import asyncio

import pytest
from conftest import Daemon, eventually
from feedbackd import Alert, AlertState, AsyncFeedbackClient, FeedbackClient, Rating


@pytest.fixture
def daemon(folder):
    """One whose alerts all fail, and are given up after a second."""
    configuration = folder / "feedbackd.yaml"
    configuration.write_text(
        "hooks: {order: [page], page: {kind: notification, on: [down], command: [/bin/false], "
        "give_up_after: 1}}"
    )
    daemon = Daemon(folder, "memory:", "--config", str(configuration))
    daemon.start()
    yield daemon
    daemon.stop()


def test_dead_letters_are_listed_and_tried_again(client):
    before = client.add_feedback("s", "down", "não").feedback
    client.add_feedback("s", "up")
    client.add_feedback("t", "down")
    eventually(lambda: len(list(client.list_alerts(page_size=1))) == 2)
    first, second = client.list_alerts(page_size=1)
    assert first == Alert(
        alert_id=first.alert_id,
        state=AlertState.DEAD,
        hook="page",
        feedback_id=before.feedback_id,
        session_id="s",
        rating=Rating.DOWN,
        comment="não",
        created_at=before.created_at,
        session_count=1,
        total_count=1,
        queued_at=first.queued_at,
        attempts=first.attempts,
        next_attempt_at=None,
        last_error=first.last_error,
    )
    assert first.queued_at >= before.created_at
    assert first.attempts > 0
    assert first.last_error
    assert (second.session_id, second.session_count, second.total_count) == ("t", 1, 2)
    assert second.alert_id > first.alert_id

    assert client.retry_alerts([]) == 0
    assert client.retry_alerts([second.alert_id + 1]) == 0
    assert client.retry_alerts([first.alert_id]) == 1
    # Given up once more.
    eventually(lambda: len(list(client.list_alerts())) == 2)
    assert client.retry_alerts() == 2


def test_pending_alerts_have_a_time_of_their_next_attempt(folder):
    configuration = folder / "feedbackd.yaml"
    configuration.write_text(
        "hooks: {order: [page], page: {kind: notification, on: [down], command: [/bin/false]}}"
    )
    daemon = Daemon(folder, "memory:", "--config", str(configuration))
    daemon.start()
    try:
        with FeedbackClient(daemon.socket, timeout=60) as client:
            stored = client.add_feedback("s", "down").feedback
            (alert,) = client.list_alerts(AlertState.PENDING)
            assert alert.state is AlertState.PENDING
            assert alert.next_attempt_at >= stored.created_at
            assert list(client.list_alerts()) == []
            assert client.retry_alerts([alert.alert_id]) == 0
    finally:
        daemon.stop()


def test_alerts_in_asyncio(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket, timeout=60) as client:
            await client.add_feedback("s", "down")
            while not [alert async for alert in client.list_alerts()]:
                await asyncio.sleep(0.01)
            assert await client.retry_alerts([]) == 0
            assert await client.retry_alerts() == 1

    asyncio.run(main())
