"""One connection that many threads call through."""

from __future__ import annotations

import os
import socket
import struct
import threading
from time import monotonic
from typing import Any

from ._core import Call, Streams
from .errors import (
    DeadlineExceededError,
    FeedbackError,
    UnavailableError,
    client_closed,
    connection_lost,
    deadline_exceeded,
)

_RECEIVE_BYTES = 65_536
#: The kernel's ``struct timeval``.
_TIMEVAL = struct.Struct("@ll")
_TIMEVAL_SECONDS_MIN, _TIMEVAL_SECONDS_MAX = 0.001, 1e9
#: Raised by a send or a receive that timed out: in the kernel, or in Python.
_TIMED_OUT = (BlockingIOError, TimeoutError)


class _Waiter:
    """The thread that waits for a call's reply."""

    stream_id = 0
    reply: bytes | None = None
    #: A held lock, which `wake` releases. None until the thread waits for another one's reading.
    wakeup: threading.Lock | None = None

    def wake(self) -> bool:
        """Makes the thread look at its reply and the read lock again; False if it does not wait."""
        if self.wakeup is None:
            return False
        try:
            self.wakeup.release()
        except RuntimeError:
            # Released already: the thread is about to look.
            pass
        return True


class Connection:
    """Sends requests and gives each caller its reply, in whatever order they come.

    There is no thread for reading. One of the waiting callers reads for all of them, the one that
    holds the read lock, and wakes another one to go on when it has its own reply (leader and
    followers). A caller that is alone sends and receives in its own thread, without a switch.

    The rest of the shared state needs no lock (see `Streams`). A caller that is going to wait
    publishes its wakeup first and then checks the state once more; a thread that changes the state
    wakes the waiters afterwards. So no change is missed.

    The last thread to use a connection that has ended closes its descriptor: closed under a thread
    that reads, the number could be another file's by the time of its next read.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # False for the sockets of gevent and eventlet, which never block in the kernel: its
        # timeouts have no effect on them.
        self._kernel_waits = os.get_blocking(connected.fileno())
        self._send_bytes, self._receive = connected.sendall, connected.recv
        self.streams: Streams[_Waiter] = Streams()
        self._send_lock = threading.Lock()
        self._read_lock = threading.Lock()
        #: The socket's current timeouts.
        self._send_timeout = self._receive_timeout = 0.0

    def __del__(self) -> None:
        self._socket.close()

    def exchange(self, call: Call[Any]) -> bytes:
        """Sends a call's request and returns the data of its reply.

        The call's deadline is a time of ``time.monotonic()``.

        Raises UNAVAILABLE if the connection breaks, CANCELLED if it is closed, DEADLINE_EXCEEDED.
        """
        waiter, streams = _Waiter(), self.streams
        try:
            self._send(waiter, call)
            while waiter.reply is None and streams.failure is None:
                # The read lock is free while a request is sent: a server that waits for its replies
                # to be read may read no requests.
                if self._read_lock.acquire(False):
                    try:
                        self._read(waiter, call)
                    finally:
                        self._read_lock.release()
                        if streams.pending:
                            self._wake_another()
                else:
                    self._wait(waiter, call.deadline)
        finally:
            if waiter.reply is None:
                self._leave(waiter)
        if waiter.reply is None:
            raise streams.error()
        return waiter.reply

    def close(self) -> None:
        """Ends the calls that wait with CANCELLED."""
        self._fail(client_closed())

    def abandon(self) -> None:
        """Closes the descriptor without shutting the connection down.

        For a forked child, which has no other thread: the connection is its parent's.
        """
        self._socket.close()

    def _send(self, waiter: _Waiter, call: Call[Any]) -> None:
        timeout = call.timeout
        # Trying without a timeout first costs less, and nearly always succeeds.
        if not (self._send_lock.acquire(False) or self._send_lock.acquire(True, timeout)):
            raise deadline_exceeded()
        try:
            waiter.stream_id, frame = self.streams.open(call, waiter)
            if timeout != self._send_timeout or not self._kernel_waits:
                self._limit(socket.SO_SNDTIMEO, timeout)
                self._send_timeout = timeout
            self._send_bytes(frame)
        except FeedbackError:
            raise
        except _TIMED_OUT:
            self._fail(UnavailableError("feedbackd read nothing until a deadline"))
            raise deadline_exceeded() from None
        except OSError as error:
            # After a part of a frame, the server would understand no other.
            self._fail(connection_lost(error))
        except BaseException:
            self._fail(_interrupted())
            raise
        finally:
            self._send_lock.release()

    def _read(self, waiter: _Waiter, call: Call[Any]) -> None:
        """Reads until the caller has its own reply, and gives the others theirs."""
        timeout, deadline = call.timeout, call.deadline
        try:
            while waiter.reply is None:
                left = deadline - monotonic()
                if left <= 0:
                    raise deadline_exceeded()
                # Keeping a timeout that is up to a hundredth too long saves nearly every call a
                # system call.
                limit = timeout if left > 0.99 * timeout else left
                if limit != self._receive_timeout or not self._kernel_waits:
                    self._limit(socket.SO_RCVTIMEO, limit)
                    self._receive_timeout = limit
                try:
                    received = self._receive(_RECEIVE_BYTES)
                except _TIMED_OUT:
                    continue
                for answered, reply in self.streams.received(received):
                    answered.reply = reply
                    if answered is not waiter:
                        answered.wake()
        except DeadlineExceededError:
            raise
        except UnavailableError as error:
            self._fail(error)
        except OSError as error:
            self._fail(connection_lost(error))
        except BaseException:
            # An interrupted read may have lost bytes.
            self._fail(_interrupted())
            raise

    def _wait(self, waiter: _Waiter, deadline: float) -> None:
        """Waits for a wakeup; the first time, publishes one, and the caller checks once more."""
        if waiter.wakeup is None:
            wakeup = threading.Lock()
            wakeup.acquire()
            waiter.wakeup = wakeup
        elif not waiter.wakeup.acquire(True, max(0.0, deadline - monotonic())):
            raise deadline_exceeded()

    def _leave(self, waiter: _Waiter) -> None:
        """Removes a waiter whose call ends without a reply."""
        self.streams.pending.pop(waiter.stream_id, None)
        # The wakeup to go on reading may have been for this thread.
        self._wake_another()
        if self.streams.failure is not None:
            self._close_if_unused()

    def _wake_another(self) -> None:
        """Wakes a waiter to read, unless another thread reads."""
        if self._read_lock.locked():
            return
        for waiter in list(self.streams.pending.values()):
            # Threads that do not wait yet will find the read lock free.
            if waiter.wake():
                return

    def _fail(self, error: FeedbackError) -> None:
        """Ends all calls with the error, and interrupts the threads that read or write."""
        for waiter in self.streams.fail(error):
            waiter.wake()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        # After a failure no thread starts to send or read, so it is enough that none does now.
        if self._read_lock.acquire(False):
            if self._send_lock.acquire(False):
                self._socket.close()
                self._send_lock.release()
            self._read_lock.release()

    def _limit(self, option: int, timeout: float) -> None:
        """Sets the socket's timeout for sends or for receives."""
        if not self._kernel_waits:
            self._socket.settimeout(timeout)
            return
        # A timeout in the kernel saves the poll that Python makes before each call otherwise.
        seconds = min(max(timeout, _TIMEVAL_SECONDS_MIN), _TIMEVAL_SECONDS_MAX)
        value = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, option, value)


def _interrupted() -> UnavailableError:
    return UnavailableError("another caller of this connection was interrupted")
