"""Listening for clients of Wyoming."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from parrotlet.serve.errors import ApiError
from parrotlet.serve.state import ServerState
from parrotlet.serve.wyoming.handler import Handler
from parrotlet.serve.wyoming.info import Descriptions

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve_wyoming(server: ServerState, listening: socket.socket) -> AsyncIterator[None]:
    """Serve those who connect to `listening`, until the end of the `with` statement."""
    service = _Service(server)
    listener = await asyncio.start_server(service.connected, sock=listening)
    try:
        yield
    finally:
        listener.close()
        await service.end()


class _Service:
    """The connections of a server."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._descriptions = Descriptions(server.models)
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        handler = Handler(self._server, self._descriptions, reader, writer)
        try:
            with self._server.sessions.place(self._server.settings.live.max_sessions):
                await handler.run()
        except ApiError as error:
            await handler.refuse(error)
        except Exception:
            _log.exception("a client of Wyoming could not be served")
        finally:
            writer.close()
            self._tasks.discard(task)

    async def end(self) -> None:
        """Leave all clients."""
        for task in self._tasks:
            task.cancel()
        for task in tuple(self._tasks):
            with suppress(asyncio.CancelledError):
                await task
