"""GET /: a page that transcribes; GET /page/*: its files; GET /status.json: the figures on it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from parrotlet.machine import usable_cores
from parrotlet.serve.state import ServerState

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_HEADERS = {
    # The browser plays recordings from its memory, which has addresses that begin with blob:.
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # The browser asks each time whether the file has changed.
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page. `tag` changes with its content."""

    content: bytes
    media_type: str
    tag: str

    def answer(self, request: Request) -> Response:
        """Send it, unless the browser has it."""
        headers = {**_HEADERS, "ETag": self.tag}
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers={**headers, "Content-Type": self.media_type})


def _read_files() -> dict[str, _File]:
    files = {}
    for entry in resources.files(__package__).iterdir():
        media_type = _TYPES.get(PurePath(entry.name).suffix)
        if media_type is not None:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            files[entry.name] = _File(content, media_type, tag)
    return files


_FILES = _read_files()


async def page(request: Request) -> Response:
    """Answer with the page, or with the file of it that the path names."""
    name = request.path_params.get("name", "index.html")
    if name not in _FILES:
        raise HTTPException(404)
    return _FILES[name].answer(request)


async def status(request: Request) -> JSONResponse:
    """Answer with what the server is doing.

    `processor_seconds` is what the process has used since it started: between two answers, it
    grows by the time between them and the number of busy `cores`.
    """
    server: ServerState = request.app.state.server
    limits = server.settings.limits
    models = server.models
    groups = [stats for name in models.names if (stats := models.stream_stats(name)) is not None]
    body = {
        "status": "draining" if server.draining else "ok",
        "seconds": time.monotonic(),
        "uptime_seconds": round(time.time() - models.created),
        "processor_seconds": time.process_time(),
        "cores": usable_cores(),
        "streams": sum(group.streams for group in groups),
        "milliseconds_behind": max((group.milliseconds_behind for group in groups), default=0.0),
        "running": server.admission.running,
        "max_running": limits.max_running,
        "waiting": server.admission.waiting,
        "loaded": models.loaded,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


routes: list[BaseRoute] = [
    Route("/", page),
    Route("/page/{name}", page),
    Route("/status.json", status),
]
