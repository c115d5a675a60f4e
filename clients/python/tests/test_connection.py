"""Threads, lost connections, deadlines, forks."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from conftest import eventually
from feedbackd import (
    CallCancelledError,
    Code,
    DeadlineExceededError,
    FeedbackClient,
    UnavailableError,
    _calls,
)
from feedbackd._connection import Connection


class Relay:
    """Passes one connection at a time on to the daemon.

    The first is cut when the daemon's answer is there: what was asked has been done, and the client
    does not know.
    """

    def __init__(self, path, daemon):
        self.path = str(path)
        self.accepted = 0
        self._daemon = daemon
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            client, _ = self._listener.accept()
            if self._stopping:
                client.close()
                return
            self.accepted += 1
            with client, socket.socket(socket.AF_UNIX) as server:
                server.connect(self._daemon.socket)
                while request := client.recv(65_536):
                    server.sendall(request)
                    answer = server.recv(65_536)
                    if self.accepted == 1:
                        break
                    client.sendall(answer)

    _stopping = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopping = True
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.path)
        self._thread.join()
        self._listener.close()


@contextmanager
def breaking_once(path):
    """A socket that closes its first connection at once; on further ones nobody answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        first = threading.Thread(target=lambda: listener.accept()[0].close())
        first.start()
        yield str(path)
        first.join()


def test_many_threads_share_one_connection(daemon, client):
    threads = 16
    each = 100
    begin = threading.Barrier(threads)
    connections = set()

    def work(number):
        begin.wait()
        for index in range(each):
            comment = f"{number}/{index}"
            assert client.add_feedback(f"s{number}", "up", comment).feedback.comment == comment
        connections.add(daemon.connections())

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert connections == {1}
    assert client.get_metrics().metrics.total == threads * each
    for number in range(threads):
        comments = [feedback.comment for feedback in client.list_feedbacks(f"s{number}")]
        assert comments == [f"{number}/{index}" for index in range(each)]


def test_calls_of_many_threads_are_in_flight_at_once(daemon, client):
    """While the server stands still, all of them have sent their request."""
    client.health()
    daemon.freeze()
    calls = 32
    with ThreadPoolExecutor(calls) as pool:
        answers = [pool.submit(client.add_feedback, "s", "up", str(i)) for i in range(calls)]
        pending = client._connection.streams.pending
        eventually(lambda: len(pending) == calls)
        daemon.thaw()
        comments = {answer.result().feedback.comment for answer in answers}
    assert comments == {str(index) for index in range(calls)}
    assert daemon.connections() == 1


def test_answers_of_all_sizes_reach_their_callers(client):
    for index in range(200):
        client.add_feedback("long", None, f"{index} " + "x" * 9_000)

    def work(number):
        if number % 2:
            return len(list(client.list_feedbacks("long", page_size=1000)))
        return client.add_feedback(f"s{number}", "up", str(number)).feedback.comment

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(40)))
    assert results == [200 if number % 2 else str(number) for number in range(40)]


def test_a_thread_that_gives_up_hands_over_reading(daemon, client):
    """The one that reads for all has the shortest deadline; the others still get their answers."""
    client.health()
    daemon.freeze()
    connection = client._connection
    with ThreadPoolExecutor(4) as pool:
        impatient = pool.submit(client.health, timeout=0.5)
        eventually(lambda: connection.streams.pending or impatient.done())
        patient = [pool.submit(client.add_feedback, "s", "up") for _ in range(3)]
        eventually(lambda: len(connection.streams.pending) >= 3)
        with pytest.raises(DeadlineExceededError):
            impatient.result()
        daemon.thaw()
        for answer in patient:
            answer.result()
    assert client._connection is connection


def test_a_call_ends_at_its_deadline_and_the_connection_goes_on(daemon, client):
    client.health()
    daemon.freeze()
    with pytest.raises(DeadlineExceededError) as caught:
        client.add_feedback("s", "up", timeout=0.2)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    daemon.thaw()
    # The late answer is passed over.
    assert client.add_feedback("s", "up", "in time").feedback.comment == "in time"
    assert daemon.connections() == 1


def test_a_request_that_does_not_fit_ends_at_its_deadline_too(daemon, client):
    client.health()
    daemon.freeze()
    with pytest.raises(DeadlineExceededError):
        client.add_feedback("s", "up", "x" * 3_000_000, timeout=0.2)
    daemon.thaw()
    # A part of it was sent, so this one has a new connection.
    client.add_feedback("s", "up")


def test_the_daemon_may_be_restarted(durable_daemon):
    with FeedbackClient(durable_daemon.socket, timeout=60) as client:
        client.add_feedback("s", "up", "before")
        durable_daemon.stop()
        durable_daemon.start()
        client.add_feedback("s", "up", "after")
        assert [feedback.comment for feedback in client.list_feedbacks("s")] == ["before", "after"]


def test_a_call_waits_for_a_daemon_that_comes_up_before_its_deadline(stopped_daemon):
    with FeedbackClient(stopped_daemon.socket, timeout=60) as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.add_feedback, "s", "up", "patient")
        time.sleep(0.2)
        assert not answer.done()
        stopped_daemon.start()
        assert answer.result().feedback.comment == "patient"


def test_a_killed_daemon_loses_and_repeats_nothing(durable_daemon):
    """Threads add while it is killed and started again, three times."""
    threads, each = 4, 150
    with FeedbackClient(durable_daemon.socket, timeout=60) as client:

        def work(number):
            for index in range(each):
                client.add_feedback("s", "up", f"{number}/{index}")

        with ThreadPoolExecutor(threads) as pool:
            done = [pool.submit(work, number) for number in range(threads)]
            for stored in (100, 200, 300):
                eventually(lambda least=stored: client.get_metrics("s").metrics.total > least)
                durable_daemon.stop(signal.SIGKILL)
                durable_daemon.start()
            for one in done:
                one.result()
        comments = sorted(feedback.comment for feedback in client.list_feedbacks("s"))
    expected = [f"{number}/{index}" for number in range(threads) for index in range(each)]
    assert comments == sorted(expected)


def test_a_cut_connection_is_retried_with_the_same_request_id(daemon, folder):
    with Relay(folder / "relay", daemon) as relay, FeedbackClient(relay.path, timeout=60) as client:
        added = client.add_feedback("s", "up", "once")
        assert relay.accepted == 2
        assert added.replayed
        assert added.feedback.comment == "once"
        assert client.get_metrics("s").metrics.total == 1


def test_a_deadline_in_a_later_attempt_says_why_the_one_before_failed(folder):
    with breaking_once(folder / "socket") as path, FeedbackClient(path) as client:
        with pytest.raises(DeadlineExceededError, match="; the attempt before: "):
            client.add_feedback("s", "up", timeout=1)


def test_what_does_not_speak_ttrpc_is_unavailable():
    ours, theirs = socket.socketpair()
    call = _calls.health()
    call.start(60, time.monotonic())
    with theirs:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(UnavailableError, match="does not speak ttrpc"):
            Connection(ours).exchange(call)


def test_closing_ends_the_calls_that_wait(daemon):
    client = FeedbackClient(daemon.socket)
    client.health()
    daemon.freeze()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(client.add_feedback, "s", "up", timeout=60) for _ in range(3)]
        eventually(lambda: len(client._connection.streams.pending) == 3)
        client.close()
        for call in waiting:
            with pytest.raises(CallCancelledError):
                call.result()
    with pytest.raises(CallCancelledError):
        client.health()


def test_closing_ends_the_wait_for_a_daemon(folder):
    client = FeedbackClient(folder / "nothing", timeout=60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.health)
        time.sleep(0.1)
        client.close()
        with pytest.raises(CallCancelledError):
            waiting.result()


def test_a_context_manager_disconnects(daemon):
    with FeedbackClient(daemon.socket) as client:
        client.health()
        assert daemon.connections() == 1
    eventually(lambda: daemon.connections() == 0)


def test_a_forgotten_client_disconnects(daemon):
    FeedbackClient(daemon.socket).health()
    eventually(lambda: daemon.connections() == 0)


def test_an_interrupted_call_leaves_the_client_usable(daemon, client):
    class Interrupt(Exception):
        pass

    def interrupt(*_):
        raise Interrupt

    client.health()
    daemon.freeze()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupt):
            client.add_feedback("s", "up", timeout=60)
    finally:
        signal.signal(signal.SIGALRM, before)
    daemon.thaw()
    client.add_feedback("s", "up")


def test_stream_ids_that_are_used_up_get_a_new_connection(daemon, client):
    client.health()
    first = client._connection
    first.streams._next_id = 0x7FFF_FFFF
    client.add_feedback("s", "up")
    assert client._connection is first
    client.add_feedback("s", "up")
    assert client._connection is not first


FORK = """
import os, sys, threading
from feedbackd import FeedbackClient

client = FeedbackClient(sys.argv[1])
client.add_feedback("parent", "up", "before")
go_on = True

def work():
    while go_on:
        client.add_feedback("parent", "up")

# Forked while other threads are inside calls, and hold the client's locks.
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for number in range(10):
    ready, release = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        descriptors = os.listdir("/proc/self/fd")
        for index in range(20):
            added = client.add_feedback("child", "down", f"{number}/{index}").feedback
            assert added.comment == f"{number}/{index}", added
        os.write(ready[1], b".")
        os.read(release[0], 1)
        os._exit(0)
    assert os.read(ready[0], 1) == b"."
    if number == 0:
        rows = [line.split() for line in open("/proc/net/unix")]
        print(sum(row[-1] == sys.argv[1] and row[5] == "03" for row in rows))
    os.write(release[1], b".")
    _, status = os.waitpid(child, 0)
    assert status == 0, status
go_on = False
for thread in threads:
    thread.join()
client.add_feedback("parent", "up", "after")
print(client.get_metrics("child").metrics.total)
"""


def test_a_forked_child_makes_a_connection_of_its_own(daemon):
    output = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, daemon.socket],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert output.split() == ["2", "200"]


def test_a_child_of_a_closed_client_finds_it_closed(daemon, client):
    client.close()
    child = os.fork()
    if child == 0:
        try:
            client.health()
        except CallCancelledError:
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0
