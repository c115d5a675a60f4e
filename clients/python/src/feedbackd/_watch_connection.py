"""The connection of one watch."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import connection_lost

_RECEIVE_BYTES = 65_536


class WatchConnection:
    """A connection that one caller reads, and any thread may close meanwhile.

    It is read only when more is asked for: a caller that is slow makes the server wait.
    """

    is_closed = False
    #: True while a caller is inside a system call, or waits to make it.
    _is_used = False

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # Reentrant, since the garbage collector may run `close` inside of `close`.
        self._lock = threading.RLock()

    def exchange(self, request: bytes) -> bytes:
        """Sends the request, if it is not empty, and returns what the server sends next.

        That is nothing if the connection has ended. Raises UNAVAILABLE if it breaks.
        """
        with self._used() as usable:
            if request:
                usable.sendall(request)
            return usable.recv(_RECEIVE_BYTES)

    async def exchange_async(self, request: bytes) -> bytes:
        """Does what `exchange` does; bytes may be lost if the task is cancelled."""
        loop = asyncio.get_running_loop()
        with self._used() as usable:
            usable.setblocking(False)
            if request:
                await loop.sock_sendall(usable, request)
            return await loop.sock_recv(usable, _RECEIVE_BYTES)

    def close(self) -> None:
        """Ends the connection; a caller that reads is told so."""
        with self._lock:
            if self.is_closed:
                return
            self.is_closed = True
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            # Closed under a caller that reads, the descriptor's number could be another file's.
            if not self._is_used:
                self._socket.close()

    def abandon(self) -> None:
        """Closes the descriptor only, in a forked child: the connection is its parent's."""
        self._lock = threading.RLock()
        self.is_closed = True
        self._socket.close()

    @contextmanager
    def _used(self) -> Iterator[socket.socket]:
        with self._lock:
            self._is_used = not self.is_closed
        try:
            yield self._socket
        except OSError as error:
            raise connection_lost(error) from None
        finally:
            with self._lock:
                self._is_used = False
                if self.is_closed:
                    self._socket.close()
