"""Who is let in: API keys, web pages of other sites, and nobody any more during the drain."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from parrotlet.serve.errors import ApiError
from parrotlet.serve.state import ServerState

_OPEN_PATHS = ("/health",)
"""Answered in any case: a load balancer has no key, and asks during the drain, too."""

_KEYED = ("/v1/", "/metrics", "/status.json")
"""What begins so needs a key, where there are keys. The page is no secret; what it asks for is."""

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

_KEY_PROTOCOL = "openai-insecure-api-key."
"""How a browser, which cannot set headers of a websocket, sends the key as a subprotocol."""


class Guard:
    """Refuses what must not reach the application."""

    def __init__(self, app: ASGIApp, server: ServerState) -> None:
        """Stand before `app`."""
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer with the error."""
        if scope["type"] == "lifespan" or scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope, Headers(scope=scope))
        except ApiError as error:
            await refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raise ApiError for a request that is not let in."""
        self._check_host(headers)
        self._check_origin(scope, headers)
        if self._server.keys and scope["path"].startswith(_KEYED):
            self._check_key(headers)
        if self._server.draining:
            raise ApiError(
                503,
                "the server is about to end; send the request to another one, or again later",
                code="draining",
                headers={"Retry-After": "5", "Connection": "close"},
            )

    def _check_key(self, headers: Headers) -> None:
        sent = _sent_key(headers).encode()
        # Every key is compared, so that the time does not tell which one is alike.
        known = [hmac.compare_digest(sent, key.encode()) for key in self._server.keys]
        if not any(known):
            raise ApiError(
                401,
                "the API key is missing or not known here; send it as Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _check_host(self, headers: Headers) -> None:
        """Refuse names that lead here by way of a page's own DNS (DNS rebinding)."""
        if self._server.keys or not self._server.settings.is_local:
            return
        host = headers.get("host", "localhost")
        if _host_name(host) not in (*_LOCAL_NAMES, self._server.settings.host):
            raise ApiError(
                403,
                f"the server is for this machine, and is not called {host!r:.100}; call it "
                "localhost, or set API keys",
                code="unknown_host",
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse pages of other sites, which browsers let post forms and open websockets."""
        origin = headers.get("origin")
        allowed = self._server.settings.cors_origins
        if origin is None or "*" in allowed or origin in allowed:
            return
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS")
        if not reads and urlsplit(origin).netloc != headers.get("host"):
            raise ApiError(
                403,
                f"pages of {origin!r:.100} may not use this server; start it with "
                "--cors-origin ORIGIN if they are to",
                code="unknown_origin",
            )


async def refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with an error outside of the application; a websocket is not accepted."""
    if scope["type"] == "http":
        await error.response()(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        response = error.response()
        await send(
            {
                "type": "websocket.http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await send({"type": "websocket.http.response.body", "body": response.body})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:100]})


def _sent_key(headers: Headers) -> str:
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return key.strip()
    for protocol in headers.get("sec-websocket-protocol", "").split(","):
        if protocol.strip().startswith(_KEY_PROTOCOL):
            return protocol.strip()[len(_KEY_PROTOCOL) :]
    return ""


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
