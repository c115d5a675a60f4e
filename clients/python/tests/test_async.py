"""The client of asyncio."""

import asyncio
import os
import signal
import time

import pytest
from feedbackd import (
    AsyncFeedbackClient,
    CallCancelledError,
    DeadlineExceededError,
    GroupBy,
    InvalidArgumentError,
    NotFoundError,
    Rating,
    ResourceExhaustedError,
    UnavailableError,
)
from test_connection import Relay, breaking_once


def test_every_verb(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket) as client:
            stored = (await client.add_feedback("s", Rating.UP, "é", tags=["t"])).feedback
            assert [feedback async for feedback in client.list_feedbacks("s")] == [stored]
            assert (await client.list_page("s")).feedbacks == (stored,)
            report = await client.get_metrics(group_by=GroupBy.SESSION)
            assert report.groups["s"].positive == report.metrics.total == 1
            assert await client.update_metadata("s", {"a": 1, "b": [None]}) == {"a": 1, "b": [None]}
            assert await client.delete_metadata("s", ["a"]) == {"b": [None]}
            assert await client.get_metadata("s") == {"b": [None]}
            assert await client.health()

    asyncio.run(main())


def test_errors_are_those_of_the_other_client(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket) as client:
            with pytest.raises(InvalidArgumentError) as caught:
                await client.add_feedback("", "up", "x" * 10_001)
            fields = [violation.field for violation in caught.value.violations]
            assert fields == ["session_id", "comment"]
            with pytest.raises(NotFoundError):
                await client.get_metadata("unknown")
            with pytest.raises(ResourceExhaustedError):
                await client.add_feedback("s", "up", "x" * (4 << 20))
            with pytest.raises(InvalidArgumentError):
                client.list_feedbacks(ratings=["maybe"])

    asyncio.run(main())


def test_lists_go_on_from_page_to_page(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket) as client:
            for index in range(25):
                await client.add_feedback("s", "up", str(index))
            listed = client.list_feedbacks("s", page_size=4)
            assert [feedback.comment async for feedback in listed] == [str(i) for i in range(25)]

    asyncio.run(main())


def test_thousands_of_tasks_share_one_connection(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket) as client:

            async def add(number):
                added = await client.add_feedback("s", "up", str(number))
                assert added.feedback.comment == str(number)

            await asyncio.gather(*map(add, range(3000)))
            assert daemon.connections() == 1
            assert (await client.get_metrics("s")).metrics.total == 3000

    asyncio.run(main())


def test_requests_wait_for_a_server_that_reads_slowly(daemon):
    """Far more than the socket holds is on its way while the server stands still."""

    async def main():
        async with AsyncFeedbackClient(daemon.socket, timeout=60) as client:
            await client.health()
            daemon.freeze()
            comment = "x" * 9_000
            adds = [
                asyncio.create_task(client.add_feedback(f"s{number}", None, comment))
                for number in range(300)
            ]
            await asyncio.sleep(0)
            assert client._connection._unsent
            daemon.thaw()
            await asyncio.gather(*adds)
            assert (await client.get_metrics()).metrics.total == 300

    asyncio.run(main())


def test_a_cancelled_task_gives_up_its_call_only(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket, timeout=60) as client:
            await client.health()
            daemon.freeze()
            given_up = asyncio.create_task(client.add_feedback("s", "up", "given up"))
            other = asyncio.create_task(client.add_feedback("s", "up", "other"))
            await asyncio.sleep(0)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            daemon.thaw()
            assert (await other).feedback.comment == "other"
            assert not client._connection.streams.pending
            assert daemon.connections() == 1

    asyncio.run(main())


def test_a_task_is_cancelled_between_attempts_too(folder):
    async def main():
        client = AsyncFeedbackClient(folder / "nothing", timeout=60)
        begin = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.health(), 0.2)
        assert time.monotonic() - begin < 60

    asyncio.run(main())


def test_a_call_ends_at_its_deadline(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket) as client:
            await client.health()
            daemon.freeze()
            with pytest.raises(DeadlineExceededError):
                await client.add_feedback("s", "up", timeout=0.2)
            daemon.thaw()
            await client.add_feedback("s", "up", timeout=60)
            assert daemon.connections() == 1

    asyncio.run(main())


def test_a_deadline_in_a_later_attempt_says_why_the_one_before_failed(folder):
    async def main(path):
        async with AsyncFeedbackClient(path) as client:
            with pytest.raises(DeadlineExceededError, match="; the attempt before: "):
                await client.add_feedback("s", "up", timeout=1)

    with breaking_once(folder / "socket") as path:
        asyncio.run(main(path))


def test_the_daemon_may_be_killed_and_restarted(durable_daemon):
    async def main():
        async with AsyncFeedbackClient(durable_daemon.socket, timeout=60) as client:
            await client.add_feedback("s", "up", "before")
            durable_daemon.stop(signal.SIGKILL)
            waiting = asyncio.create_task(client.add_feedback("s", "up", "after"))
            await asyncio.sleep(0.1)
            durable_daemon.start()
            await waiting
            comments = [feedback.comment async for feedback in client.list_feedbacks("s")]
            assert comments == ["before", "after"]

    asyncio.run(main())


def test_a_cut_connection_is_retried_with_the_same_request_id(daemon, folder):
    async def main():
        async with AsyncFeedbackClient(relay.path, timeout=60) as client:
            assert (await client.add_feedback("s", "up", "once")).replayed
            assert (await client.get_metrics("s")).metrics.total == 1

    with Relay(folder / "relay", daemon) as relay:
        asyncio.run(main())
        assert relay.accepted == 2


def test_no_daemon_is_unavailable_when_the_deadline_has_passed(folder):
    async def main():
        with pytest.raises(UnavailableError):
            await AsyncFeedbackClient(folder / "nothing", timeout=0.2).health()

    asyncio.run(main())


def test_closing_ends_the_calls_that_wait(daemon):
    async def main():
        client = AsyncFeedbackClient(daemon.socket, timeout=60)
        await client.health()
        daemon.freeze()
        waiting = asyncio.create_task(client.add_feedback("s", "up"))
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(CallCancelledError):
            await waiting
        with pytest.raises(CallCancelledError):
            await client.health()

    asyncio.run(main())


def test_a_client_goes_on_in_the_next_event_loop(daemon):
    client = AsyncFeedbackClient(daemon.socket)
    for _ in range(2):
        asyncio.run(client.add_feedback("s", "up"))
        assert daemon.connections() == 1
    client.close()


def test_a_client_refuses_a_second_event_loop_at_the_same_time(daemon):
    client = AsyncFeedbackClient(daemon.socket)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.health())
    with pytest.raises(RuntimeError, match="one event loop"):
        asyncio.run(client.health())
    client.close()
    loop.close()


def test_a_forked_child_makes_a_connection_of_its_own(daemon, client):
    async def add_in_child():
        await forked.add_feedback("child", "up")
        # The parent's, this one, and that of the fixture.
        await forked.add_feedback("child", "up", str(daemon.connections()))

    client.health()
    forked = AsyncFeedbackClient(daemon.socket, timeout=60)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(forked.add_feedback("parent", "up"))
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(add_in_child())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    # The parent's connection and its event loop are what they were.
    loop.run_until_complete(forked.add_feedback("parent", "up"))
    forked.close()
    loop.close()
    assert [feedback.comment for feedback in client.list_feedbacks("child")] == ["", "3"]
    assert client.get_metrics("parent").metrics.total == 2


def test_other_tasks_run_while_a_call_waits(daemon):
    async def main():
        async with AsyncFeedbackClient(daemon.socket, timeout=60) as client:
            await client.health()
            daemon.freeze()
            waiting = asyncio.create_task(client.add_feedback("s", "up"))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            daemon.thaw()
            await waiting

    asyncio.run(main())
