"""The page's process: uvicorn on the socket that it was handed, and what the station says."""

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path

import msgspec
import uvicorn

from kfasync.station.control import socket_name
from kfasync.web.app import make_app
from kfasync.web.board import Board
from kfasync.web.feeder import FILE_NAME, HEAD
from kfasync.web.protocol import ImpatientProtocol
from kfasync.web.settings import Settings
from kfasync.web.stream import News
from kfasync.web.view import Delta

_NICE = 5  # the lanes go first, and however they were started this process has no claim to more
_CONNECTIONS_MAX = 80
_HEADERS_MAX = 16 * 1024
_CONNECT_S = 5.0  # until the station listens
_AGAIN_S = 0.05
_MESSAGE_MAX = 16 * 2**20


def serve(settings: Settings) -> None:
    """Serve until the station has ended."""
    if hasattr(os, "setpriority"):
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, own))
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    news = News(Board())
    config = uvicorn.Config(
        make_app(settings, news),
        http=ImpatientProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=settings.certificate or None,
        ssl_keyfile=settings.key or None,
        limit_concurrency=_CONNECTIONS_MAX,
        h11_max_incomplete_event_size=_HEADERS_MAX,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    async def follow() -> None:
        try:
            await _follow(Path(settings.directory), news)
        finally:
            news.end()
            server.should_exit = True

    following = asyncio.create_task(follow())
    with socket.socket(fileno=settings.descriptor) as listener:
        await server.serve(sockets=[listener])
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def _follow(directory: Path, news: News) -> None:
    """Take in what the station says, to its end."""
    reader, writer = await _connect(directory)
    with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            size = int.from_bytes(await reader.readexactly(HEAD), "big")
            if size > _MESSAGE_MAX:
                sys.exit(f"a message of {size} bytes is none of the station's")
            message = await reader.readexactly(size)
            news.take(msgspec.msgpack.decode(message, type=Delta))


async def _connect(directory: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(_CONNECT_S):
        while True:
            with (
                contextlib.suppress(FileNotFoundError, ConnectionRefusedError),
                socket_name(directory, FILE_NAME) as name,
            ):
                return await asyncio.open_unix_connection(name)
            await asyncio.sleep(_AGAIN_S)
