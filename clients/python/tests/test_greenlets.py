"""The client of threads under the monkey patching of gevent and eventlet.

Each program runs in a process of its own, since patching cannot be undone.
"""

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
#: Programs should patch first, but many libraries are imported before.
ORDERS = {
    "patched first": "{patch}\nimport feedbackd",
    "imported first": "import feedbackd\n{patch}",
}


@pytest.fixture(params=ORDERS.values(), ids=ORDERS)
def order(request):
    return request.param


@pytest.fixture(params=PATCHES.values(), ids=PATCHES)
def beginning(request, order):
    return order.format(patch=request.param)


def run(beginning, program, address):
    """Returns the words that the program prints; fails if it hangs."""
    command = [sys.executable, "-W", "ignore", "-c", beginning + program, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def silent(folder):
    """Returns the path of a socket that takes connections and requests, and never answers."""
    path = str(folder / "silent")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield path


@pytest.fixture
def full(folder):
    """Returns the path of a socket that has no room for a further connection."""
    path = str(folder / "full")
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as waiting:
        listener.bind(path)
        listener.listen(0)
        while True:
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect(path)
            except BlockingIOError:
                break
        yield path


DEADLINES = """
import sys, threading
from feedbackd import DeadlineExceededError, FeedbackClient

client = FeedbackClient(sys.argv[1])
ended = []

def add(name, timeout, comment):
    try:
        client.add_feedback("s", "up", comment, timeout=timeout)
    except DeadlineExceededError:
        ended.append(name)

def both(comment):
    # The second call waits while the first one holds the connection, and its deadline is earlier.
    calls = [("late", 0.8, comment), ("early", 0.2, "")]
    threads = [threading.Thread(target=add, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

add("alone", 0.2, "")
both("")
# More than the socket holds.
both("x" * 3_000_000)
print(*ended)
"""


def test_calls_end_at_their_deadline(beginning, silent):
    assert run(beginning, DEADLINES, silent) == ["alone", *["early", "late"] * 2]


SHARING = """
import sys, threading, time
from feedbackd import FeedbackClient

client = FeedbackClient(sys.argv[1], timeout=60)

def work(number):
    for index in range(20):
        comment = f"{number}/{index}"
        assert client.add_feedback("s", "up", comment).feedback.comment == comment

threads = [threading.Thread(target=work, args=[number]) for number in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(client.get_metrics("s").metrics.total)
"""


def test_greenlets_share_a_connection(beginning, daemon):
    assert run(beginning, SHARING, daemon.socket) == ["400"]


WAITING = """
import socket, sys, threading
from feedbackd import CallCancelledError, FeedbackClient

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
client = FeedbackClient(sys.argv[1], timeout=60)

def call():
    try:
        client.health()
    except CallCancelledError:
        print("cancelled")

thread = threading.Thread(target=call)
thread.start()
# The call's other end is this process too, which goes on while the call waits.
peer, _ = listener.accept()
if peer.recv(1):
    print("received")
client.close()
thread.join()
"""


def test_others_run_while_a_call_waits(beginning, folder):
    assert run(beginning, WAITING, str(folder / "own")) == ["received", "cancelled"]


RETRYING = """
import sys, threading
from feedbackd import FeedbackClient, UnavailableError

seen = []

def call():
    try:
        FeedbackClient(sys.argv[1], timeout=0.5).health()
    except UnavailableError as error:
        seen.append(str(error).rpartition(": ")[2])

thread = threading.Thread(target=call)
thread.start()
# The process goes on with other work while the call waits for its next attempt.
seen.append("other")
thread.join()
print(*seen)
"""


def test_others_run_between_attempts(beginning, folder):
    seen = run(beginning, RETRYING, str(folder / "nothing"))
    assert seen == ["other", *"No such file or directory".split()]


def test_others_run_between_attempts_at_a_full_socket(beginning, full):
    """A connect that waited for room would find the socket writable, and try without a pause."""
    seen = run(beginning, RETRYING, full)
    assert seen == ["other", *"Resource temporarily unavailable".split()]


WATCHING = """
import sys, threading
from feedbackd import FeedbackClient

client = FeedbackClient(sys.argv[1], timeout=60)
seen = []

def watch():
    with client.watch_feedbacks() as changes:
        for change in changes:
            seen.append(change.feedback.comment)
            if len(seen) == 2:
                return

thread = threading.Thread(target=watch)
thread.start()
client.add_feedback("s", comment="first")
client.add_feedback("s", comment="second")
thread.join()
print(*seen)
"""


def test_others_run_while_a_watch_waits(beginning, daemon):
    assert run(beginning, WATCHING, daemon.socket) == ["first", "second"]
