"""Running the application until a signal ends it."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import uvicorn

from parrotlet.errors import ParrotletError
from parrotlet.serve.app import create_app
from parrotlet.serve.logs import logging_to_stderr
from parrotlet.serve.protocol import bounded_protocol
from parrotlet.serve.settings import Limits, ServeSettings
from parrotlet.serve.state import ServerState

_FILES_PER_CONNECTION = 2
_OTHER_FILES = 256


def serve(settings: ServeSettings, quiet: bool = False) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises ParrotletError where the address, or the file of API keys, cannot be used.
    """
    limits, host = settings.limits, settings.host
    with ExitStack() as closing:
        listening = closing.enter_context(_listening(host, settings.port, "--port"))
        others = None
        if settings.wyoming_port is not None:
            others = closing.enter_context(_listening(host, settings.wyoming_port, "--wyoming"))
        app = create_app(settings, others)
        closing.enter_context(logging_to_stderr(settings.json_logs, quiet))
        _allow_files(limits.max_connections)
        config = uvicorn_config(app, limits)
        Server(config, app.state.server, others).run(sockets=[listening])


def uvicorn_config(app: object, limits: Limits) -> uvicorn.Config:
    """Return how uvicorn runs the application."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=bounded_protocol(limits.max_connections, limits.receive_seconds),
        ws="websockets-sansio",
        ws_max_size=limits.max_message_bytes,
        # A pong waits behind sound that came faster than it is recognised; sessions end when idle.
        ws_ping_timeout=None,
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,  # after the drain, which has a limit of its own
    )


class Server(uvicorn.Server):
    """uvicorn's server, which answers what runs before it ends, and 503 to what comes meanwhile."""

    def __init__(
        self, config: uvicorn.Config, state: ServerState, wyoming: socket.socket | None = None
    ) -> None:
        """Serve; `state` is that of the application, which has `wyoming` as well."""
        super().__init__(config)
        self._state = state
        self._wyoming = wyoming

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        for listening in sockets or ():
            _say("http", listening)
        if self._wyoming is not None:
            _say("tcp", self._wyoming)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for what runs, for `drain_seconds` at most, and end."""
        self._state.drain.set()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._state.settings.limits.drain_seconds
        while self._state.active and loop.time() < end and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """End on a signal without raising it again: being told to end is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are none of ours
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _listening(host: str, port: int, option: str) -> Generator[socket.socket, None, None]:
    try:
        ((family, kind, _, _, address), *_) = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
        found = socket.socket(family, kind)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except OSError:
            found.close()
            raise
    except (OSError, OverflowError) as error:
        raise ParrotletError(
            f"{host} port {port}: cannot be listened on "
            f"({getattr(error, 'strerror', None) or error}); choose another --host or {option}"
        ) from error
    with found:
        yield found


def _say(scheme: str, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    print(f"parrotlet: serving on {scheme}://{where}:{port}", file=sys.stderr, flush=True)


def _allow_files(connections: int) -> None:
    """Let the process have as many files open as its connections may need, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections * _FILES_PER_CONNECTION + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
