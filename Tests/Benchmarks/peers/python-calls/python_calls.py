"""One caller in Python: the client of feedbackd, or a bare socket.

    client   FeedbackClient.add_feedback, each call with its own request_id
    socket   the bytes of such a call on a bare socket, and whatever is read next as the answer
    server   answers whatever it reads with as many bytes as echo-c does, for the bare socket

The sessions are taken in turn, as pymongo-update does.

Left out on purpose, in the bare socket's favour: making the request, looking at the answer.
"""

import argparse
import itertools
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

PEERS = Path(__file__).parents[1]
sys.path.insert(0, str(PEERS))
sys.path.insert(0, str(PEERS.parents[2] / "clients/python/src"))
import load_report

SESSION, RATING, COMMENT = "session-{:07}", "up", "c" * 40
RECEIVE_BYTES = 65_536
#: The length of the frame in response_frame.h.
RESPONSE_BYTES = 146


def client_call(path: str, sessions: int) -> Callable[[], bool]:
    from feedbackd import FeedbackClient

    client = FeedbackClient(path)
    turn = itertools.cycle([SESSION.format(index) for index in range(sessions)])

    def call() -> bool:
        return not client.add_feedback(next(turn), RATING, COMMENT).replayed

    return call


def socket_call(path: str) -> Callable[[], bool]:
    from feedbackd._calls import add_feedback
    from feedbackd._core import Streams

    add = add_feedback(SESSION.format(0), RATING, COMMENT)
    add.start(10.0, 0.0)
    _, frame = Streams().open(add, None)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)

    def call() -> bool:
        connection.sendall(frame)
        return bool(connection.recv(RECEIVE_BYTES))

    return call


def serve(path: str) -> NoReturn:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    answer = b"r" * RESPONSE_BYTES
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(RECEIVE_BYTES):
                    connection.sendall(answer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode in ["client", "socket", "server"]:
        options = modes.add_parser(mode)
        options.add_argument("--socket", required=True)
        if mode != "server":
            options.add_argument("--sessions", type=int, default=10_000)
            load_report.add_options(options)
    chosen = parser.parse_args()
    if chosen.mode == "server":
        serve(chosen.socket)
    if chosen.mode == "client":
        call = client_call(chosen.socket, chosen.sessions)
    else:
        call = socket_call(chosen.socket)
    return load_report.measure(call, chosen)


if __name__ == "__main__":
    raise SystemExit(main())
