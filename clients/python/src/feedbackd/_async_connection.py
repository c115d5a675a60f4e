"""One connection that many tasks of one event loop call through."""

from __future__ import annotations

import asyncio
import socket
from collections import deque

from ._ttrpc import STREAM_ID_MAX, FrameDecoder, ProtocolError, frame
from .errors import FeedbackError, UnavailableError, closed, lost, too_late

_RECEIVE_BYTES = 65_536


class AsyncConnection:
    """Sends requests and hands out replies, whatever order they come in.

    Used by its loop's thread only. The socket is its own rather than a transport's, so that a
    forked child can let go of it without touching the epoll descriptor that it shares with its
    parent.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self.loop = asyncio.get_running_loop()
        self._decoder = FrameDecoder()
        self._pending: dict[int, asyncio.Future[bytes]] = {}
        self._next_id = 1
        #: What the socket had no room for.
        self._unsent: deque[memoryview] = deque()
        self.is_closed = False
        self.loop.add_reader(connected, self._receive)

    def __del__(self) -> None:
        self._socket.close()

    @property
    def is_usable(self) -> bool:
        return not self.is_closed and self._next_id <= STREAM_ID_MAX

    async def call(self, data: bytes, timeout: float) -> bytes:
        """Sends a request's data and returns its reply's; the timeout is in seconds.

        Raises UNAVAILABLE if the connection breaks, CANCELLED if it is closed, DEADLINE_EXCEEDED.
        If the task is cancelled, the reply will be thrown away.
        """
        stream_id = self._next_id
        self._next_id += 2
        reply: asyncio.Future[bytes] = self.loop.create_future()
        self._pending[stream_id] = reply
        timer = self.loop.call_later(timeout, _expire, reply)
        try:
            self._send(frame(stream_id, data))
            return await reply
        finally:
            timer.cancel()
            self._pending.pop(stream_id, None)

    def close(self) -> None:
        """Ends the calls that wait with CANCELLED."""
        self._end(closed())

    def abandon(self) -> None:
        """Lets go of the descriptor only: the loop is another process's, or has been closed."""
        self.is_closed = True
        self._socket.close()

    def _send(self, request: bytes) -> None:
        if self._unsent:
            self._unsent.append(memoryview(request))
            return
        try:
            sent = self._socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(lost(error))
            return
        if sent < len(request):
            self._unsent.append(memoryview(request)[sent:])
            self.loop.add_writer(self._socket, self._send_rest)

    def _send_rest(self) -> None:
        try:
            while self._unsent:
                sent = self._socket.send(self._unsent[0])
                if sent < len(self._unsent[0]):
                    self._unsent[0] = self._unsent[0][sent:]
                    return
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError as error:
            self._end(lost(error))
            return
        self.loop.remove_writer(self._socket)

    def _receive(self) -> None:
        try:
            received = self._socket.recv(_RECEIVE_BYTES)
            if not received:
                self._end(UnavailableError("feedbackd closed the connection"))
                return
            replies = self._decoder.decode(received)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(lost(error))
            return
        except ProtocolError as error:
            self._end(UnavailableError(f"what listens there does not speak ttrpc: {error}"))
            return
        for stream_id, data in replies:
            reply = self._pending.pop(stream_id, None)
            # Its task may have been cancelled.
            if reply is not None and not reply.done():
                reply.set_result(data)

    def _end(self, error: FeedbackError) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self.loop.remove_reader(self._socket)
        self.loop.remove_writer(self._socket)
        self._socket.close()
        self._unsent.clear()
        for reply in self._pending.values():
            if not reply.done():
                reply.set_exception(type(error)(error.message))


def _expire(reply: asyncio.Future[bytes]) -> None:
    if not reply.done():
        reply.set_exception(too_late())
