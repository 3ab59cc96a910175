"""GET /metrics: figures for Prometheus."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from parrotlet.serve.state import ServerState


async def metrics(request: Request) -> Response:
    """Answer with the text format of Prometheus."""
    server: ServerState = request.app.state.server
    server.metrics.look(server.admission, server.models)
    text = generate_latest(server.metrics.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


routes = [Route("/metrics", metrics)]
