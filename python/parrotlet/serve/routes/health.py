"""GET /health: whether the server takes requests."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from parrotlet.serve.state import ServerState


async def health(request: Request) -> JSONResponse:
    """Answer 200, or 503 while the server drains."""
    server: ServerState = request.app.state.server
    body = {
        "status": "draining" if server.draining else "ok",
        "models": {"available": server.models.names, "loaded": server.models.loaded},
        "queue": {"running": server.admission.running, "waiting": server.admission.waiting},
    }
    return JSONResponse(body, 503 if server.draining else 200)


routes = [Route("/health", health)]
