"""The application: its state, its routes, and what stands before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from parrotlet.serve.admission import Admission
from parrotlet.serve.errors import ApiError, api_error, http_error, unforeseen
from parrotlet.serve.metrics import Metrics
from parrotlet.serve.models import ModelPool
from parrotlet.serve.realtime import route as realtime
from parrotlet.serve.routes import health, metrics, models
from parrotlet.serve.settings import ServeSettings, read_api_keys
from parrotlet.serve.state import ServerState

ROUTES: list[BaseRoute] = [
    *health.routes,
    *metrics.routes,
    *models.routes,
    *realtime.routes,
]
"""Everything that the server answers."""


def create_app(settings: ServeSettings) -> Starlette:
    """Make the application; its `state.server` is a ServerState.

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
        exception_handlers={
            ApiError: api_error,
            HTTPException: http_error,
            Exception: unforeseen,
        },
        lifespan=_lifespan,
    )
    app.state.server = server
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    server: ServerState = app.state.server
    tidying = asyncio.create_task(server.models.keep_tidy())
    try:
        yield
    finally:
        tidying.cancel()
        with suppress(asyncio.CancelledError):
            await tidying
        server.models.close()
