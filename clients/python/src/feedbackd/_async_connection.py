"""One connection that many tasks of one event loop call through."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ._core import Call, Streams
from .errors import (
    FeedbackError,
    UnavailableError,
    client_closed,
    connection_lost,
    deadline_exceeded,
)

_RECEIVE_BYTES = 65_536


class AsyncConnection:
    """Sends requests and gives each task its reply, in whatever order they come.

    Only the event loop's thread uses it. It has a socket rather than a transport, so that a forked
    child can close it without changing the epoll set that it shares with its parent.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self.loop = asyncio.get_running_loop()
        self.streams: Streams[asyncio.Future[bytes]] = Streams()
        #: Frames that the socket's buffer had no room for.
        self._unsent = bytearray()
        self.loop.add_reader(connected, self._receive)

    def __del__(self) -> None:
        self._socket.close()

    async def exchange(self, call: Call[Any]) -> bytes:
        """Sends a call's request and returns the data of its reply.

        Raises UNAVAILABLE if the connection breaks, CANCELLED if it is closed, DEADLINE_EXCEEDED.
        The reply to a cancelled task is thrown away.
        """
        reply: asyncio.Future[bytes] = self.loop.create_future()
        stream_id, frame = self.streams.open(call, reply)
        timer = self.loop.call_later(call.timeout, _expire, reply)
        try:
            self._send(frame)
            return await reply
        finally:
            timer.cancel()
            self.streams.pending.pop(stream_id, None)

    def close(self) -> None:
        """Ends the calls that wait with CANCELLED."""
        self._fail(client_closed())

    def abandon(self) -> None:
        """Closes the descriptor only: the loop is another process's, or is closed."""
        self.streams.fail(client_closed())
        self._socket.close()

    def _send(self, frames: bytes | bytearray) -> None:
        if self._unsent:
            self._unsent += frames
            return
        try:
            sent = self._socket.send(frames)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._fail(connection_lost(error))
            return
        if sent < len(frames):
            self._unsent += frames[sent:]
            self.loop.add_writer(self._socket, self._send_rest)

    def _send_rest(self) -> None:
        self.loop.remove_writer(self._socket)
        unsent, self._unsent = self._unsent, bytearray()
        self._send(unsent)

    def _receive(self) -> None:
        try:
            replies = self.streams.received(self._socket.recv(_RECEIVE_BYTES))
        except BlockingIOError:
            return
        except UnavailableError as error:
            self._fail(error)
            return
        except OSError as error:
            self._fail(connection_lost(error))
            return
        for waiter, reply in replies:
            # The task may have been cancelled, or its timer may have expired.
            if not waiter.done():
                waiter.set_result(reply)

    def _fail(self, error: FeedbackError) -> None:
        if self.streams.failure is not None:
            return
        self.loop.remove_reader(self._socket)
        self.loop.remove_writer(self._socket)
        self._socket.close()
        for reply in self.streams.fail(error):
            if not reply.done():
                reply.set_exception(self.streams.error())


def _expire(reply: asyncio.Future[bytes]) -> None:
    if not reply.done():
        reply.set_exception(deadline_exceeded())
