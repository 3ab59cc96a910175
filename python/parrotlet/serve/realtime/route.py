"""The websocket at /v1/realtime."""

from __future__ import annotations

import hmac
import json
from urllib.parse import urlsplit

import anyio
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from parrotlet.serve.errors import ApiError
from parrotlet.serve.realtime.events import Event, error_event
from parrotlet.serve.realtime.hearing import ClientGoneError
from parrotlet.serve.realtime.session import Session, SessionOverError
from parrotlet.serve.state import ServerState

_PROTOCOL = "realtime"
_KEY_PROTOCOL = "openai-insecure-api-key."
_TRANSCRIPTION = "transcription"

_GOING_AWAY = 1001
_TRY_LATER = 1013


async def realtime(websocket: WebSocket) -> None:
    """Hold a session of OpenAI's realtime transcription."""
    server: ServerState = websocket.app.state.server
    try:
        _check(websocket, server)
        model = server.models.name_of(websocket.query_params.get("model"))
        with server.sessions.place(server.settings.live.max_sessions):
            offered = websocket.scope.get("subprotocols", ())
            await websocket.accept(_PROTOCOL if _PROTOCOL in offered else None)
            await _converse(websocket, server, model)
    except ApiError as error:
        await websocket.send_denial_response(error.response())


routes = [WebSocketRoute("/v1/realtime", realtime)]


async def _converse(websocket: WebSocket, server: ServerState, model: str) -> None:
    limits = server.settings.live

    async def send(event: Event) -> None:
        try:
            with anyio.fail_after(limits.send_seconds):
                await websocket.send_text(json.dumps(event))
        except (WebSocketDisconnect, OSError, RuntimeError) as error:  # TimeoutError is an OSError
            raise ClientGoneError from error

    beta = "realtime=v1" in websocket.headers.get("openai-beta", "")
    session = Session(server, model, send, beta)
    code = _GOING_AWAY
    try:
        with anyio.move_on_after(limits.session_seconds) as whole:
            await session.start()
            while True:
                with anyio.move_on_after(limits.idle_seconds) as waiting:
                    text = await _receive(websocket)
                if waiting.cancelled_caught:
                    await send(_ended(f"nothing came for {limits.idle_seconds:g} s"))
                    break
                await session.receive(text)
        if whole.cancelled_caught:
            await send(_ended(f"a session lasts {limits.session_seconds:g} s at most"))
    except SessionOverError:
        code = _TRY_LATER
    except (ClientGoneError, WebSocketDisconnect):
        return
    finally:
        await session.close()
    try:
        await websocket.close(code)
    except RuntimeError:  # the client was faster
        return


async def _receive(websocket: WebSocket) -> str:
    """Return the next message. Raises WebSocketDisconnect."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1005)
    text = message.get("text")
    if text is None:
        text = message["bytes"].decode("utf-8", "replace")
    return str(text)


def _ended(why: str) -> Event:
    return error_event(ApiError(400, f"the session has ended: {why}", code="session_expired"))


def _check(websocket: WebSocket, server: ServerState) -> None:
    """Raise ApiError for a client that is not let in."""
    if server.draining:
        raise ApiError(503, "the server is shutting down", headers={"Retry-After": "10"})
    _check_origin(websocket, server)
    _check_key(websocket, server)
    intent = websocket.query_params.get("intent", _TRANSCRIPTION)
    if intent != _TRANSCRIPTION:
        raise ApiError(
            400, f"intent={intent!r:.100} is not served; there is {_TRANSCRIPTION}", param="intent"
        )


def _check_origin(websocket: WebSocket, server: ServerState) -> None:
    """Refuse the pages of other sites: browsers let them open websockets to anywhere."""
    origin = websocket.headers.get("origin")
    allowed = server.settings.cors_origins
    if origin is None or "*" in allowed or origin in allowed:
        return
    if urlsplit(origin).netloc != websocket.headers.get("host"):
        raise ApiError(403, f"pages of {origin:.200} may not connect; see cors_origins")


def _check_key(websocket: WebSocket, server: ServerState) -> None:
    """Refuse those without a key: in the header, or of browsers, which cannot send it, in a
    subprotocol."""
    if not server.keys:
        return
    scheme, _, key = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        offered = websocket.scope.get("subprotocols", ())
        key = next((name for name in offered if name.startswith(_KEY_PROTOCOL)), "")
        key = key.removeprefix(_KEY_PROTOCOL)
    given = key.strip().encode()
    # All are compared, so that the time does not tell which one is close.
    if not sum(hmac.compare_digest(given, known.encode()) for known in server.keys):
        raise ApiError(401, "send one of the server's API keys", code="invalid_api_key")
