"""The application: its state, its routes, and what stands before them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from parrotlet.serve.admission import Admission
from parrotlet.serve.errors import ApiError, api_error, http_error, unforeseen
from parrotlet.serve.guard import Guard
from parrotlet.serve.heap import keep_memory_small
from parrotlet.serve.metrics import Metrics
from parrotlet.serve.models import ModelPool
from parrotlet.serve.page import route as page
from parrotlet.serve.realtime import route as realtime
from parrotlet.serve.routes import health, metrics, models, transcriptions
from parrotlet.serve.settings import ServeSettings, read_api_keys
from parrotlet.serve.state import ServerState
from parrotlet.serve.traffic import Traffic

ROUTES: list[BaseRoute] = [
    *health.routes,
    *metrics.routes,
    *models.routes,
    *transcriptions.routes,
    *page.routes,
    *realtime.routes,
]
"""Everything that the server answers."""


def create_app(settings: ServeSettings, wyoming: socket.socket | None = None) -> Starlette:
    """Make the application; its `state.server` is a ServerState.

    While it runs, it serves those as well who connect to the socket `wyoming`.

    Raises ParrotletError for API keys that cannot be read.
    """
    limits = settings.limits
    server = ServerState(
        settings,
        ModelPool(settings),
        Admission(limits.max_running, limits.max_queue),
        Metrics(),
        read_api_keys(settings.api_keys_file) if settings.api_keys_file else (),
    )
    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(Traffic, server),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("*",),
                expose_headers=("X-Request-Id",),
            ),
            Middleware(Guard, server),
        ],
        exception_handlers={
            ApiError: api_error,
            HTTPException: http_error,
            Exception: unforeseen,
        },
        lifespan=_lifespan,
    )
    app.state.server = server
    app.state.wyoming = wyoming
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    server: ServerState = app.state.server
    tidying = asyncio.gather(
        server.models.keep_tidy(), keep_memory_small(server.models.release_scratch)
    )
    try:
        async with AsyncExitStack() as serving:
            if app.state.wyoming is not None:
                from parrotlet.serve.wyoming.serving import serve_wyoming  # few need it

                await serving.enter_async_context(serve_wyoming(server, app.state.wyoming))
            yield
    finally:
        tidying.cancel()
        with suppress(asyncio.CancelledError):
            await tidying
        server.models.close()
