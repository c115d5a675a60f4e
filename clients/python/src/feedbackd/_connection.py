"""One connection that many threads call through."""

from __future__ import annotations

import socket
import struct
import threading
from queue import Empty, SimpleQueue
from time import monotonic

from ._ttrpc import STREAM_ID_MAX, FrameDecoder, ProtocolError, frame
from .errors import FeedbackError, UnavailableError, closed, lost, too_late

_RECEIVE_BYTES = 65_536
#: The kernel's ``struct timeval``.
_TIMEVAL = struct.Struct("@ll")
_TIMEVAL_SECONDS_MIN, _TIMEVAL_SECONDS_MAX = 0.001, 1e9


class _Call:
    """A call that waits for its reply."""

    stream_id = 0
    reply: bytes | None = None
    #: Whatever is put here makes the call look at what has changed. None while it does not wait.
    waiter: SimpleQueue[None] | None = None


class Connection:
    """Sends requests and hands out replies, whatever order they come in.

    There is no thread of its own: one of the callers that wait reads for all of them (who holds the
    read lock), and wakes up another when its own reply is there. So a caller that is alone sends
    and receives by itself, without a change of threads.

    What else is shared changes by steps that need no lock, since Python makes each of them whole:
    a key of `_pending` is set or removed, an attribute is set. Who is about to wait says so first
    and looks at everything once more, and who changes something wakes up afterwards. So either the
    one sees the change, or the other the waiter.

    The descriptor of a connection that has ended is closed by the last who uses it: closing it
    under a thread that reads could make that thread read from somebody else's file.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._send_bytes, self._receive = connected.sendall, connected.recv
        self._decoder = FrameDecoder()
        self._send_lock = threading.Lock()
        self._read_lock = threading.Lock()
        #: By stream id.
        self._pending: dict[int, _Call] = {}
        self._next_id = 1
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
            while call.reply is None and self._failure is None:
                # Not before the request is sent: while the server reads no more, somebody has to
                # read its replies.
                if self._read_lock.acquire(False):
                    try:
                        self._read(call, timeout, deadline)
                    finally:
                        self._read_lock.release()
                        if self._pending:
                            self._wake_another()
                else:
                    self._wait(call, deadline)
        finally:
            if call.reply is None:
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
            if not self.is_usable:
                raise self._error()
            stream_id = call.stream_id = self._next_id
            self._next_id = stream_id + 2
            if stream_id >= STREAM_ID_MAX:
                self.is_usable = False
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

    def _read(self, call: _Call, timeout: float, deadline: float) -> None:
        """Reads until the call's own reply is there, and hands out those of others."""
        try:
            while call.reply is None:
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
                    continue
                if not received:
                    self._fail(UnavailableError("feedbackd closed the connection"))
                    return
                for stream_id, data in self._decoder.decode(received):
                    answered = self._pending.pop(stream_id, None)
                    # Its caller may have given up.
                    if answered is not None:
                        answered.reply = data
                        if answered.waiter is not None:
                            answered.waiter.put(None)
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

    def _wait(self, call: _Call, deadline: float) -> None:
        """Waits until something has changed for the call."""
        if call.waiter is None:
            # The caller looks once more, since nobody has woken it up for what changed before.
            call.waiter = SimpleQueue()
            return
        try:
            call.waiter.get(True, max(0.0, deadline - monotonic()))
        except Empty:
            raise too_late() from None

    def _leave(self, call: _Call) -> None:
        """Forgets a call that ends without a reply."""
        self._pending.pop(call.stream_id, None)
        # It may have been woken up to read.
        self._wake_another()
        if self._failure is not None:
            self._close_if_unused()

    def _wake_another(self) -> None:
        """Lets a call that waits read, if nobody does."""
        if self._read_lock.locked():
            return
        for call in list(self._pending.values()):
            # Those that do not wait will see for themselves that nobody reads.
            if call.waiter is not None:
                call.waiter.put(None)
                return

    def _fail(self, error: FeedbackError) -> None:
        """Ends all calls, and wakes up whoever reads or writes."""
        if self._failure is None:
            self._failure = error
        self.is_usable = False
        for call in list(self._pending.values()):
            if call.waiter is not None:
                call.waiter.put(None)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        # Nobody begins to send or to read any more, so it is enough that nobody does now.
        if self._read_lock.acquire(False):
            if self._send_lock.acquire(False):
                self._socket.close()
                self._send_lock.release()
            self._read_lock.release()

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
