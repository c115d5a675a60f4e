"""Destinations and their deliveries, with a webhook that refuses, and the daemon's status."""

import asyncio
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import Daemon, eventually
from feedbackd import (
    AsyncFeedbackClient,
    Code,
    Delivery,
    DeliveryState,
    Destination,
    FeedbackClient,
    FeedbackError,
    InvalidArgumentError,
    NotFoundError,
)


class Receiver(ThreadingHTTPServer):
    """A webhook that answers every request with the same status, and counts them."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 400
        self.answered = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answered += 1
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@contextmanager
def delivering(folder, receiver, give_up_after):
    """A daemon whose only destination is the receiver, which is told of thumbs down."""
    configuration = folder / "feedbackd.yaml"
    configuration.write_text(
        "hooks: {order: [page], page: {kind: notification, on: [down], "
        f"webhook_url: {receiver.url}, give_up_after: {give_up_after}}}}}"
    )
    daemon = Daemon(folder, "memory:", "--config", str(configuration))
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def daemon(folder, receiver):
    """One that gives deliveries up after a second."""
    with delivering(folder, receiver, 1) as daemon:
        yield daemon


def dead(client, count):
    """The dead letters by session, when there are so many: deliveries go on at the same time."""
    eventually(lambda: len(list(client.list_deliveries())) == count)
    listed = client.list_deliveries("page", DeliveryState.DEAD, page_size=1)
    return sorted(listed, key=lambda delivery: delivery.session_id)


def test_dead_letters_are_listed(client):
    before = client.add_feedback("s", "down", "não").feedback
    client.add_feedback("s", "up")
    client.add_feedback("t", "down")
    first, second = dead(client, 2)
    assert first == Delivery(
        delivery_id=first.delivery_id,
        destination="page",
        state=DeliveryState.DEAD,
        feedback_id=before.feedback_id,
        session_id="s",
        attempts=first.attempts,
        first_attempt_at=first.first_attempt_at,
        next_attempt_at=None,
        last_error=first.last_error,
        feedback=None,
    )
    assert first.first_attempt_at >= before.created_at
    assert first.attempts > 0
    assert "400" in first.last_error
    assert second.session_id == "t"
    assert second.delivery_id != first.delivery_id
    stored = {one.feedback_id: one for one in client.list_feedbacks(ratings=["down"])}
    with_content = client.list_deliveries(with_content=True)
    assert {one.feedback_id: one.feedback for one in with_content} == stored
    assert list(client.list_deliveries(state=DeliveryState.RETRYING)) == []


def test_dead_letters_are_tried_again(client, receiver):
    client.add_feedback("s", "down")
    client.add_feedback("t", "down")
    first, _ = dead(client, 2)
    answered = receiver.answered
    assert client.retry_deliveries("page", []) == 0
    assert client.retry_deliveries("page", [first.delivery_id]) == 1
    # Given up once more.
    assert dead(client, 2)[0].feedback_id == first.feedback_id
    assert receiver.answered > answered
    receiver.status = 200
    assert client.retry_deliveries("page", all=True) == 2
    # They are no dead letters from now on, and soon delivered.
    assert dead(client, 0) == []
    eventually(lambda: list(client.list_deliveries(state=DeliveryState.RETRYING)) == [])


def test_dead_letters_are_dropped_for_ever(client, receiver):
    for session in ("s", "t", "u"):
        client.add_feedback(session, "down")
    first, _, _ = dead(client, 3)
    assert client.drop_deliveries("page", []) == 0
    assert client.drop_deliveries("page", [first.delivery_id]) == 1
    assert [one.session_id for one in dead(client, 2)] == ["t", "u"]
    # What is gone is passed over.
    assert client.drop_deliveries("page", [first.delivery_id]) == 0
    assert client.retry_deliveries("page", [first.delivery_id]) == 0
    assert client.drop_deliveries("page", all=True) == 2
    assert dead(client, 0) == []
    assert client.get_metrics().metrics.total == 3


@pytest.mark.parametrize("method", ["retry_deliveries", "drop_deliveries"])
def test_deliveries_are_named_or_all_are_meant(client, method):
    client.add_feedback("s", "down")
    (letter,) = dead(client, 1)
    for arguments in ({}, {"delivery_ids": [letter.delivery_id], "all": True}):
        with pytest.raises(InvalidArgumentError, match="all"):
            getattr(client, method)("page", **arguments)
    assert len(dead(client, 1)) == 1


def test_retrying_deliveries_have_a_time_of_their_next_attempt(folder, receiver):
    with (
        delivering(folder, receiver, 86_400) as daemon,
        FeedbackClient(daemon.socket, timeout=60) as client,
    ):
        stored = client.add_feedback("s", "down").feedback
        retrying = DeliveryState.RETRYING
        eventually(lambda: list(client.list_deliveries("page", retrying)))
        (delivery,) = client.list_deliveries("page", retrying)
        assert (delivery.state, delivery.feedback_id) == (retrying, stored.feedback_id)
        assert delivery.next_attempt_at >= delivery.first_attempt_at >= stored.created_at
        assert list(client.list_deliveries()) == []
        (page,) = client.list_destinations()
        assert (page.retrying, page.dead) == (1, 0)


def test_destinations_are_paused_resumed_rewound_and_tested(client, receiver):
    (page,) = client.list_destinations()
    assert page == Destination(
        name="page",
        kind="webhook",
        position=page.position,
        behind_changes=0,
        behind_seconds=0,
        retrying=0,
        dead=0,
        skipped=0,
        last_error="",
        paused=False,
        next_attempt_at=None,
    )
    receiver.status = 200
    assert client.test_destination("page") == ""
    assert receiver.answered == 1
    receiver.status = 400
    assert "400" in client.test_destination("page")
    receiver.status = 200
    answered = receiver.answered

    assert client.pause_destination("page").paused
    client.add_feedback("s", "down")
    (page,) = client.list_destinations()
    assert (page.paused, page.behind_changes) == (True, 1)
    assert receiver.answered == answered
    assert not client.resume_destination("page").paused
    eventually(lambda: receiver.answered == answered + 1)

    assert client.rewind_destination("page", None).name == "page"
    eventually(lambda: receiver.answered == answered + 2)
    (change,) = client.watch_feedbacks(follow=False)
    client.rewind_destination("page", change.position)
    client.add_feedback("t", "down")
    eventually(lambda: client.list_destinations()[0].behind_changes == 0)
    assert receiver.answered == answered + 3


def test_a_position_to_rewind_to_is_not_empty(client):
    with pytest.raises(InvalidArgumentError, match="^position: "):
        client.rewind_destination("page", "")
    with pytest.raises(FeedbackError) as caught:
        client.rewind_destination("page", "no position")
    assert caught.value.code in (Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("pause_destination", {}),
        ("resume_destination", {}),
        ("rewind_destination", {"position": None}),
        ("test_destination", {}),
        ("list_deliveries", {}),
        ("retry_deliveries", {"all": True}),
        ("drop_deliveries", {"all": True}),
    ],
)
def test_an_unknown_destination_is_not_found(client, method, arguments):
    with pytest.raises(NotFoundError):
        result = getattr(client, method)("nobody", **arguments)
        next(result)


def test_the_status_tells_of_the_daemon_its_store_and_its_destinations(client):
    stored = client.add_feedback("s", "up").feedback
    (change,) = client.watch_feedbacks(follow=False)
    eventually(lambda: client.list_destinations()[0].behind_changes == 0)
    status = client.get_status()
    assert status.version
    assert status.started_at <= stored.created_at
    assert (status.store, status.position) == ("memory:", change.position)
    assert status.destinations == client.list_destinations()
    assert (status.unreplicated, status.unreplicated_since) == (0, None)


def test_deliveries_in_asyncio(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket, timeout=60) as client:
            await client.add_feedback("s", "down")
            while not [one async for one in client.list_deliveries()]:
                await asyncio.sleep(0.01)
            assert await client.retry_deliveries("page", []) == 0
            assert await client.retry_deliveries("page", all=True) == 1
            assert (await client.pause_destination("page")).paused
            assert not (await client.resume_destination("page")).paused
            status = await client.get_status()
            assert [one.name for one in status.destinations] == ["page"]

    asyncio.run(main())
