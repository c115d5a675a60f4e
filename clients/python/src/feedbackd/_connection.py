"""One connection that many threads call through."""

from __future__ import annotations

import socket
import struct
import threading
from time import monotonic

from ._ttrpc import STREAM_ID_MAX, FrameDecoder, ProtocolError, frame
from .errors import FeedbackError, UnavailableError, closed, lost, too_late

_RECEIVE_BYTES = 65_536
#: The kernel's ``struct timeval``.
_TIMEVAL = struct.Struct("@ll")
_TIMEVAL_SECONDS_MIN, _TIMEVAL_SECONDS_MAX = 0.001, 1e9


class _Call:
    """A call that waits for its reply. Guarded by the connection's lock."""

    stream_id = 0
    #: The reply is there, or never will be.
    is_done = False
    #: It reads for all.
    leads = False
    reply: bytes | None = None
    #: Held by the call; whoever releases it wakes it up, once.
    waiter: threading.Lock | None = None


class Connection:
    """Sends requests and hands out replies, whatever order they come in.

    There is no thread of its own: one of the callers that wait reads for all of them (the leader),
    and passes that on to another when its own reply is there. So a caller that is alone sends and
    receives by itself, without a change of threads.

    The descriptor of a connection that has ended is closed by the last who uses it: closing it
    under a thread that reads could make that thread read from somebody else's file.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._send_bytes, self._receive = connected.sendall, connected.recv
        self._decoder = FrameDecoder()
        self._lock = threading.Lock()
        self._send_lock = threading.Lock()
        self._pending: dict[int, _Call] = {}
        self._next_id = 1
        self._has_leader = False
        #: Whether further calls may use it.
        self.is_usable = True
        #: Why it is of no use any more.
        self._failure: FeedbackError | None = None
        #: How long the kernel lets a send or a receive wait now.
        self._send_timeout = self._receive_timeout = 0.0

    def __del__(self) -> None:
        self._socket.close()

    def call(self, data: bytes, timeout: float, deadline: float) -> bytes:
        """Sends a request's data and returns its reply's.

        The timeout is what is left, in seconds, until the deadline of ``time.monotonic()``.

        Raises UNAVAILABLE if the connection breaks, CANCELLED if it is closed, DEADLINE_EXCEEDED.
        """
        call = _Call()
        try:
            self._send(call, data, timeout)
            while not call.is_done:
                if call.leads:
                    self._read(call, timeout, deadline)
                else:
                    self._wait_or_lead(call, deadline)
        finally:
            if call.leads or call.reply is None:
                self._leave(call)
        if call.reply is None:
            raise self._error()
        return call.reply

    def close(self) -> None:
        """Ends the calls that wait with CANCELLED."""
        self._fail(closed())

    def abandon(self) -> None:
        """Lets go of the descriptor without a word to the server.

        For a child process, in which no other thread goes on: the connection is its parent's.
        """
        self._socket.close()

    def _send(self, call: _Call, data: bytes, timeout: float) -> None:
        # Without a timeout first, which costs less and is nearly always enough.
        if not (self._send_lock.acquire(False) or self._send_lock.acquire(True, timeout)):
            raise too_late()
        try:
            with self._lock:
                if not self.is_usable:
                    raise self._error()
                stream_id = call.stream_id = self._next_id
                self._next_id = stream_id + 2
                if stream_id >= STREAM_ID_MAX:
                    self.is_usable = False
                # Who is alone reads its own reply. With others there, to lead before the request is
                # sent would leave nobody to read while the server reads no more.
                if not self._pending and not self._has_leader:
                    self._has_leader = call.leads = True
                self._pending[stream_id] = call
            if timeout != self._send_timeout:
                self._limit(socket.SO_SNDTIMEO, timeout)
                self._send_timeout = timeout
            self._send_bytes(frame(stream_id, data))
        except FeedbackError:
            raise
        except BlockingIOError:
            self._fail(UnavailableError("feedbackd read nothing until a deadline"))
            raise too_late() from None
        except OSError as error:
            # A part may have been sent, after which nothing else would be understood.
            self._fail(lost(error))
        except BaseException:
            self._fail(_given_up())
            raise
        finally:
            self._send_lock.release()

    def _wait_or_lead(self, call: _Call, deadline: float) -> None:
        """Makes the call the leader if there is none, else waits until something has changed."""
        with self._lock:
            if call.is_done:
                return
            if not self._has_leader:
                self._has_leader = call.leads = True
                return
            waiter = call.waiter = threading.Lock()
            waiter.acquire()
        if not waiter.acquire(True, max(0.0, deadline - monotonic())):
            raise too_late()

    def _read(self, call: _Call, timeout: float, deadline: float) -> None:
        """Reads until the call's own reply is there."""
        try:
            while True:
                left = deadline - monotonic()
                if left <= 0:
                    raise too_late()
                # A hundredth more does no harm, and spares nearly every call a system call.
                limit = timeout if left > 0.99 * timeout else left
                if limit != self._receive_timeout:
                    self._limit(socket.SO_RCVTIMEO, limit)
                    self._receive_timeout = limit
                try:
                    received = self._receive(_RECEIVE_BYTES)
                except BlockingIOError:
                    pass
                else:
                    if not received:
                        self._fail(UnavailableError("feedbackd closed the connection"))
                        return
                    self._deliver(call, self._decoder.decode(received))
                    if call.is_done:
                        return
        except FeedbackError:
            raise
        except OSError as error:
            self._fail(lost(error))
        except ProtocolError as error:
            self._fail(UnavailableError(f"what listens there does not speak ttrpc: {error}"))
        except BaseException:
            # Bytes may have been taken from the socket and lost.
            self._fail(_given_up())
            raise

    def _deliver(self, leader: _Call, replies: list[tuple[int, bytes]]) -> None:
        with self._lock:
            for stream_id, data in replies:
                call = self._pending.pop(stream_id, None)
                # Its caller may have given up.
                if call is None:
                    continue
                call.reply = data
                call.is_done = True
                if call.waiter is not None:
                    call.waiter.release()
            if leader.is_done:
                leader.leads = self._has_leader = False
                if self._pending:
                    self._wake_a_leader()

    def _leave(self, call: _Call) -> None:
        """Forgets a call without a reply, which may have been the leader, or about to be it."""
        with self._lock:
            self._pending.pop(call.stream_id, None)
            if call.leads:
                call.leads = self._has_leader = False
            self._wake_a_leader()
        if self._failure is not None:
            self._close_if_unused()

    def _wake_a_leader(self) -> None:
        if self._has_leader:
            return
        for call in self._pending.values():
            # Those that do not wait will see for themselves that there is no leader.
            if call.waiter is not None:
                call.waiter.release()
                call.waiter = None
                return

    def _fail(self, error: FeedbackError) -> None:
        """Ends all calls, and wakes up whoever reads or writes."""
        with self._lock:
            self.is_usable = False
            if self._failure is None:
                self._failure = error
            for call in self._pending.values():
                call.is_done = True
                if call.waiter is not None:
                    call.waiter.release()
                    call.waiter = None
            self._pending.clear()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        # Nobody begins to send or to read any more, so it is enough that nobody does now.
        with self._lock:
            is_read = self._has_leader
        if not is_read and self._send_lock.acquire(False):
            self._socket.close()
            self._send_lock.release()

    def _error(self) -> FeedbackError:
        failure = self._failure or UnavailableError("the connection is used up")
        # Anew for each caller: what is raised gets a traceback.
        return type(failure)(failure.message)

    def _limit(self, option: int, timeout: float) -> None:
        """Lets the kernel end a wait, which is one system call less than asking before."""
        seconds = min(max(timeout, _TIMEVAL_SECONDS_MIN), _TIMEVAL_SECONDS_MAX)
        value = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, option, value)


def _given_up() -> UnavailableError:
    return UnavailableError("another caller of this connection was interrupted")
