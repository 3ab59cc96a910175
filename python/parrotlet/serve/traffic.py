"""What every request goes through: limits of its body, a line in the log, and the metrics."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parrotlet.serve.errors import ApiError
from parrotlet.serve.settings import Limits
from parrotlet.serve.state import ServerState

_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")

_log = logging.getLogger(__name__)


class Traffic:
    """Counts and logs each request, and bounds what it sends and how slowly."""

    def __init__(self, app: ASGIApp, server: ServerState) -> None:
        """Stand before `app`."""
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._server.settings.limits)
        if scope["type"] == "http":
            receive = _Body(receive, self._server.settings.limits).receive
        self._server.active += 1
        try:
            await self._app(scope, receive, exchange.send)
        except BaseException:
            exchange.status = exchange.status or 500
            raise
        finally:
            self._server.active -= 1
            self._told(exchange)

    def _told(self, exchange: _Exchange) -> None:
        seconds = time.monotonic() - exchange.started
        route, method = exchange.route, exchange.method
        status = exchange.status or 499  # the client went away before there was an answer
        self._server.metrics.requests.labels(route, method, str(status)).inc()
        self._server.metrics.request_seconds.labels(route).observe(seconds)
        _log.log(
            logging.DEBUG if exchange.is_probe else logging.INFO,
            "%s %s %d in %.3f s",
            method,
            exchange.path,
            status,
            seconds,
            extra={
                "fields": {
                    "request_id": exchange.id,
                    "client": exchange.client,
                    "method": method,
                    "path": exchange.path,
                    "status": status,
                    "seconds": round(seconds, 6),
                    **exchange.notes,
                }
            },
        )


class _Exchange:
    """A request and what is known of its answer."""

    def __init__(self, scope: Scope, send: Send, limits: Limits) -> None:
        self._scope = scope
        self._send = send
        self._limits = limits
        self.started = time.monotonic()
        self.id = f"req_{uuid.uuid4().hex}"
        self.status: int | None = None
        self.notes: MutableMapping[str, Any] = {}
        scope.setdefault("state", {})["notes"] = self.notes  # filled in by routes

    @property
    def path(self) -> str:
        return str(self._scope["path"])[:200]

    @property
    def method(self) -> str:
        method = "WEBSOCKET" if self._scope["type"] == "websocket" else self._scope["method"]
        return method if method in (*_METHODS, "WEBSOCKET") else "other"

    @property
    def route(self) -> str:
        """The path as the route has it: names in it are no labels of their own."""
        for route in self._scope["app"].routes:
            if route.matches(self._scope)[0] is not Match.NONE:
                return str(route.path)
        return "other"

    @property
    def client(self) -> str | None:
        client = self._scope.get("client")
        return None if client is None else str(client[0])

    @property
    def is_probe(self) -> bool:
        """Whether the request is one of those that come every few seconds."""
        return self.path in ("/health", "/metrics") and (self.status or 500) < 500

    async def send(self, message: Message) -> None:
        """Pass on; a client that reads nothing for `receive_seconds` is given up."""
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            message = {**message, "headers": [*headers, (b"x-request-id", self.id.encode())]}
        elif kind == "websocket.accept":
            self.status = 101
        elif kind == "websocket.close":
            self.status = self.status or 403
        await asyncio.wait_for(self._send(message), self._limits.receive_seconds)


class _Body:
    """The body of a request, as long and as slow as it may be."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._started = time.monotonic()
        self._bytes = 0
        self._ended = False

    async def receive(self) -> Message:
        """Return the next message; raises ApiError 413 and 408."""
        if self._ended:
            return await self._receive()  # which comes when the client goes away
        try:
            message = await asyncio.wait_for(self._receive(), self._patience())
        except asyncio.TimeoutError:
            raise ApiError(
                408,
                f"the request came too slowly: {self._bytes} bytes in "
                f"{time.monotonic() - self._started:.0f} s",
                code="request_timeout",
                headers={"Connection": "close"},
            ) from None
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > self._limits.max_upload_bytes:
            raise too_large(self._limits)
        return message

    def _patience(self) -> float:
        """How many seconds the next bytes may take."""
        limits = self._limits
        earned = limits.receive_seconds + self._bytes / limits.min_upload_rate
        left = self._started + earned - time.monotonic()
        return max(0.0, min(limits.receive_seconds, left))


def too_large(limits: Limits) -> ApiError:
    """Return the error for a body that is larger than it may be."""
    return ApiError(
        413,
        f"the request is larger than {limits.max_upload_bytes} bytes, which is the most that this "
        "server takes",
        param="file",
        code="request_too_large",
    )
