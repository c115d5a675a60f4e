"""Watches of both clients, over a scripted server and real daemons."""

import asyncio
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
from conftest import Daemon, eventually
from feedbackd import (
    AsyncFeedbackClient,
    CallCancelledError,
    ChangeKind,
    Code,
    FeedbackClient,
    InvalidArgumentError,
    OutOfRangeError,
    Rating,
    UnavailableError,
)
from watch_frames import END, change, heartbeat, refusal, request_of

# Both clients, one step at a time


class Blocking:
    """Watches with a `FeedbackClient`."""

    def __init__(self, path):
        self._client = FeedbackClient(path, timeout=60)

    def begin(self, *arguments, **named):
        self._changes = self._client.watch_feedbacks(*arguments, **named)
        return self

    @property
    def position(self):
        return self._changes.position

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._changes)

    def forget(self):
        del self._changes

    def close(self):
        self._client.close()


class Asyncio(Blocking):
    """Watches with an `AsyncFeedbackClient` in the same way."""

    def __init__(self, path):
        self._client = AsyncFeedbackClient(path, timeout=60)
        self._loop = asyncio.new_event_loop()

    def __next__(self):
        try:
            return self._loop.run_until_complete(anext(self._changes))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self):
        super().close()
        self._loop.close()


@pytest.fixture(params=[Blocking, Asyncio])
def watching(request):
    """Makes watchers of either client."""
    watchers = []

    def make(path, *arguments, **named):
        watchers.append(request.param(path))
        return watchers[-1].begin(*arguments, **named)

    yield make
    for watcher in watchers:
        watcher.close()


@pytest.fixture
def script(folder):
    """A server that says what it is told, one text for each connection, and keeps the requests."""
    path = str(folder / "script")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield lambda *answers: _scripted(listener, path, answers)


@contextmanager
def _scripted(listener, path, answers):
    requests = []

    def serve():
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                requests.append(request_of(connection.recv(65_536)))
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield path, requests
    thread.join()


def comments(changes):
    return [one.feedback.comment for one in changes]


def test_heartbeats_are_no_changes_and_move_the_position(script, watching):
    with script(heartbeat("1") + change("2", "a") + heartbeat("3") + END) as (path, _):
        watcher = watching(path)
        assert comments(watcher) == ["a"]
        assert watcher.position == "3"


def test_a_watch_resumes_after_the_last_heartbeat(script, watching):
    answers = [
        change("1", "a") + heartbeat("2"),
        # Cut within a frame, after nothing, and by a server that stops.
        change("3", "b") + change("4", "c")[:-1],
        b"",
        change("4", "c") + refusal(Code.UNAVAILABLE),
        heartbeat("5") + END,
    ]
    with script(*answers) as (path, requests):
        watcher = watching(path, "s", from_now=True)
        assert comments(watcher) == ["a", "b", "c"]
        assert watcher.position == "5"
    begins = [(one.start_position, one.from_now, one.filter.session_id) for one in requests]
    after = [(position, False, "s") for position in ("2", "3", "3", "4")]
    assert begins == [("", True, "s"), *after]


def test_an_error_ends_a_watch(script, watching):
    with script(change("1", "a") + refusal(Code.OUT_OF_RANGE, "gone")) as (path, _):
        watcher = watching(path)
        assert next(watcher).feedback.comment == "a"
        with pytest.raises(OutOfRangeError, match="gone"):
            next(watcher)
        assert list(watcher) == []


def test_no_daemon_is_unavailable_when_the_timeout_has_passed(folder, watching):
    watcher = watching(str(folder / "nothing"), timeout=0.1)
    with pytest.raises(UnavailableError):
        next(watcher)
    assert list(watcher) == []


# Real daemons


def test_changes_come_in_order_and_end_where_they_are_not_followed(daemon, client, watching):
    stored = [client.add_feedback(f"s{n % 2}", "up", str(n)).feedback for n in range(700)]
    changes = list(watching(daemon.socket, follow=False))
    assert [one.feedback for one in changes] == stored
    assert {one.kind for one in changes} == {ChangeKind.ADDED}
    assert len({one.position for one in changes}) == 700
    after = watching(daemon.socket, start_position=changes[-3].position, follow=False)
    assert list(after) == changes[-2:]
    # No watch has a connection any more.
    eventually(lambda: daemon.connections() == 1)


def test_filters_are_those_of_lists(daemon, client, watching):
    client.add_feedback("s", "up", message_id="m")
    middle = client.add_feedback("s", "down", "c").feedback.created_at
    client.add_feedback("t", None, "c", message_id="m")
    client.add_feedback("t", "down")
    for filters in [
        {},
        {"session_id": "s"},
        {"session_id": "nobody's"},
        {"ratings": ["up", None]},
        {"ratings": [Rating.DOWN]},
        {"message_id": "m"},
        {"has_comment": True},
        {"has_comment": False, "session_id": "t"},
        {"created_at_or_after": middle},
        {"created_before": middle + timedelta(milliseconds=1)},
    ]:
        changes = watching(daemon.socket, follow=False, **filters)
        assert [one.feedback for one in changes] == list(client.list_feedbacks(**filters))


def test_a_watch_waits_for_further_changes(daemon, client, watching):
    watcher = watching(daemon.socket, "s")
    client.add_feedback("s", comment="before")
    assert next(watcher).feedback.comment == "before"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, watcher)
        client.add_feedback("other", comment="of another session")
        client.add_feedback("s", comment="after")
        assert waiting.result().feedback.comment == "after"


def test_a_watch_from_now_on_has_no_former_changes(daemon, client, watching):
    client.add_feedback("s", comment="before")
    watcher = watching(daemon.socket, from_now=True)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, watcher)
        eventually(lambda: watcher.position)
        client.add_feedback("s", comment="after")
        assert waiting.result().feedback.comment == "after"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_watch_goes_on_after_the_daemon_was_started_again(durable_daemon, watching, how):
    """Two threads add all the while; every feedback is seen once, in its order."""
    each = 150
    watcher = watching(durable_daemon.socket)
    with FeedbackClient(durable_daemon.socket, timeout=60) as client:

        def work(number):
            for index in range(each):
                client.add_feedback("s", "up", f"{number}/{index}")

        with ThreadPoolExecutor(2) as pool:
            working = [pool.submit(work, number) for number in range(2)]
            changes = []
            for stored in (50, 150, 250):
                while len(changes) < stored:
                    changes.append(next(watcher))
                durable_daemon.stop(how)
                durable_daemon.start()
            while len(changes) < 2 * each:
                changes.append(next(watcher))
            for one in working:
                one.result()
        assert [one.feedback for one in changes] == list(client.list_feedbacks("s"))


def test_a_position_of_another_store_is_refused(daemon, folder, watching):
    (folder / "other").mkdir()
    other = Daemon(folder / "other", "memory:")
    other.start()
    try:
        with FeedbackClient(other.socket, timeout=60) as elsewhere:
            elsewhere.add_feedback("s", "up")
            (change,) = elsewhere.watch_feedbacks(follow=False)
    finally:
        other.stop(signal.SIGKILL)
    for position, error in [
        (change.position, OutOfRangeError),
        ("no position", InvalidArgumentError),
    ]:
        watcher = watching(daemon.socket, start_position=position)
        with pytest.raises(error):
            next(watcher)
        assert list(watcher) == []


def test_a_filter_that_breaks_a_rule_is_refused(daemon, watching):
    watcher = watching(daemon.socket, message_id="x" * 256)
    with pytest.raises(InvalidArgumentError, match="message_id"):
        next(watcher)


def test_a_position_and_from_now_exclude_each_other(daemon, client, watching):
    client.add_feedback("s", "up")
    (change,) = watching(daemon.socket, follow=False)
    with pytest.raises(InvalidArgumentError):
        next(watching(daemon.socket, start_position=change.position, from_now=True))


def test_leaving_the_iteration_ends_the_watch(daemon, client, watching):
    client.add_feedback("s", "up")
    for _ in range(3):
        watcher = watching(daemon.socket)
        for _ in watcher:
            break
        assert daemon.connections() == 2
        watcher.forget()
        eventually(lambda: daemon.connections() == 1)


def test_a_slow_consumer_makes_the_server_wait(daemon, client, watching):
    """Far more than sockets hold is stored; what is not taken is not in this process."""
    stored = 2000
    for number in range(stored):
        client.add_feedback("s", comment=f"{number} " + "x" * 9_000)
    watcher = watching(daemon.socket, follow=False)
    seen = [next(watcher).feedback.comment]
    # Others are served meanwhile.
    assert client.get_metrics().metrics.total == stored
    for one in watcher:
        seen.append(one.feedback.comment)
        assert sum(len(frame.data) for frame in watcher._changes._watch._frames) < 100_000
    assert [int(comment.split()[0]) for comment in seen] == list(range(stored))


# Threads


@contextmanager
def waiting_for_a_change(changes):
    """A thread that waits for the next change, and has come to the end of what there is."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, changes, "the end")
        eventually(lambda: changes.position)
        yield waiting


def test_closing_a_watch_ends_the_wait_of_another_thread(daemon, client):
    changes = client.watch_feedbacks()
    with waiting_for_a_change(changes) as waiting:
        changes.close()
        assert waiting.result() == "the end"
    eventually(lambda: daemon.connections() == 0)
    assert list(changes) == []


def test_closing_the_client_ends_its_watches(daemon, client):
    changes = client.watch_feedbacks()
    with waiting_for_a_change(changes) as waiting:
        client.close()
        with pytest.raises(CallCancelledError):
            waiting.result()
    with pytest.raises(CallCancelledError):
        next(client.watch_feedbacks())
    eventually(lambda: daemon.connections() == 0)


def test_closing_ends_the_wait_for_a_daemon(folder):
    client = FeedbackClient(folder / "nothing", timeout=60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, client.watch_feedbacks())
        client.close()
        with pytest.raises(CallCancelledError):
            waiting.result()


def test_a_watch_is_closed_at_the_end_of_its_block(daemon, client):
    client.add_feedback("s", "up")
    with client.watch_feedbacks() as changes:
        assert next(changes).feedback.session_id == "s"
        assert daemon.connections() == 2
    eventually(lambda: daemon.connections() == 1)
    with closing(client.watch_feedbacks()) as changes:
        next(changes)
    eventually(lambda: daemon.connections() == 1)


def test_an_interrupted_watch_goes_on(daemon, client):
    class Interrupt(Exception):
        pass

    def interrupt(*_):
        raise Interrupt

    changes = client.watch_feedbacks()
    client.add_feedback("s", comment="before")
    assert next(changes).feedback.comment == "before"
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupt):
            next(changes)
    finally:
        signal.signal(signal.SIGALRM, before)
    client.add_feedback("s", comment="after")
    assert next(changes).feedback.comment == "after"
    changes.close()


def test_a_forked_child_goes_on_with_a_connection_of_its_own(daemon, client):
    changes = client.watch_feedbacks()
    client.add_feedback("s", comment="1")
    assert next(changes).feedback.comment == "1"
    child = os.fork()
    if child == 0:
        try:
            client.add_feedback("s", comment="2")
            assert next(changes).feedback.comment == "2"
            client.close()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    # The parent's watch is what it was.
    assert next(changes).feedback.comment == "2"
    eventually(lambda: daemon.connections() == 2)
    changes.close()


# Tasks


def test_a_cancelled_task_leaves_the_watch_as_it_is(daemon, client):
    async def main():
        async with AsyncFeedbackClient(daemon.socket) as watcher:
            changes = watcher.watch_feedbacks()
            client.add_feedback("s", comment="before")
            assert (await anext(changes)).feedback.comment == "before"
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(changes), 0.05)
            client.add_feedback("s", comment="after")
            assert (await anext(changes)).feedback.comment == "after"
            await changes.aclose()
            assert [one async for one in changes] == []

    asyncio.run(main())
    eventually(lambda: daemon.connections() == 1)


def test_other_tasks_run_while_one_waits_for_a_change(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket, timeout=60) as client:
            changes = client.watch_feedbacks("s")
            waiting = [asyncio.create_task(anext(changes))]
            await client.add_feedback("s", comment="1")
            assert (await waiting.pop()).feedback.comment == "1"

            # Leaving the block, and closing, tell a task that waits.
            waiting = asyncio.create_task(anext(changes, "the end"))
            await asyncio.sleep(0)
            async with changes:
                pass
            assert await waiting == "the end"

            waiting = asyncio.create_task(anext(client.watch_feedbacks("s", from_now=True)))
            await client.health()
        with pytest.raises(CallCancelledError):
            await waiting

    asyncio.run(main())
    eventually(lambda: daemon.connections() == 0)


def test_a_loop_that_is_left_ends_the_watch(daemon, client):
    client.add_feedback("s", "up")

    async def main():
        async with AsyncFeedbackClient(daemon.socket) as watcher:
            async for _ in watcher.watch_feedbacks():
                break
            eventually(lambda: daemon.connections() == 1)

    asyncio.run(main())
