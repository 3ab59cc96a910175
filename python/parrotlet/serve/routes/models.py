"""GET /v1/models and /v1/models/{id}, as OpenAI has them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from parrotlet.serve.models import ModelPool
from parrotlet.serve.state import ServerState


async def list_models(request: Request) -> JSONResponse:
    """Answer with every model, the default first."""
    pool = _pool(request)
    return JSONResponse({"object": "list", "data": [_model(pool, name) for name in pool.names]})


async def one_model(request: Request) -> JSONResponse:
    """Answer with the model of that name, or 404."""
    pool = _pool(request)
    return JSONResponse(_model(pool, pool.name_of(request.path_params["id"])))


def _pool(request: Request) -> ModelPool:
    server: ServerState = request.app.state.server
    return server.models


def _model(pool: ModelPool, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": pool.created, "owned_by": "parrotlet"}


routes = [Route("/v1/models", list_models), Route("/v1/models/{id:path}", one_model)]
