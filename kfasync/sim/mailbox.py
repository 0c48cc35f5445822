"""Mailbox: from any thread into one task, on asyncio and on trio."""

import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel

T = TypeVar("T")


class Mailbox(AsyncIterator[T], Generic[T]):
    """An unbounded queue: :meth:`put` never waits, iterating does.

    The wake-up is a byte through a socket pair. Every event loop can wait for a socket, and
    writing to it is allowed from a foreign thread, from the loop's own and from one that
    holds a lock. What asyncio and trio offer for this is either not allowed in the loop's
    thread or waits for the loop, which may be waiting for that very lock.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def put(self, item: T) -> None:
        """Leave an item; from any thread, but not after :meth:`close`."""
        # In this order: a byte that is read announces an item that is there.
        self._items.append(item)
        # Refused when hundreds of bytes are unread: then the reader wakes without this one.
        with contextlib.suppress(BlockingIOError):
            self._sender.send(b"\0")

    async def __anext__(self) -> T:
        # Before an item is taken, so that a cancelled task has not lost one.
        await anyio.lowlevel.checkpoint()
        while not self._items:
            await anyio.wait_readable(self._receiver)
            self._receiver.recv(4096)
        return self._items.popleft()

    def close(self) -> None:
        """Give the sockets back."""
        self._receiver.close()
        self._sender.close()
