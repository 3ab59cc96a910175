"""The websocket at /v1/realtime."""

from __future__ import annotations

import asyncio
import json

import anyio
from starlette.routing import WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from parrotlet.serve.errors import ApiError
from parrotlet.serve.guard import refuse
from parrotlet.serve.realtime.events import Event
from parrotlet.serve.realtime.hearing import ClientGoneError
from parrotlet.serve.realtime.session import Session, SessionOverError
from parrotlet.serve.state import ServerState
from parrotlet.serve.tasks import unasked

_PROTOCOL = "realtime"
_TRANSCRIPTION = "transcription"

_GOING_AWAY = 1001
_TRY_LATER = 1013


async def realtime(websocket: WebSocket) -> None:
    """Hold a session of OpenAI's realtime transcription."""
    server: ServerState = websocket.app.state.server
    try:
        _check_intent(websocket)
        model = server.models.name_of(websocket.query_params.get("model"))
        with server.sessions.place(server.settings.live.max_sessions):
            offered = websocket.scope.get("subprotocols", ())
            await websocket.accept(_PROTOCOL if _PROTOCOL in offered else None)
            await _Conversation(websocket, server, model).hold()
    except ApiError as error:
        await refuse(error, websocket.scope, websocket.receive, websocket.send)


routes = [WebSocketRoute("/v1/realtime", realtime)]


def _check_intent(websocket: WebSocket) -> None:
    intent = websocket.query_params.get("intent", _TRANSCRIPTION)
    if intent != _TRANSCRIPTION:
        raise ApiError(
            400,
            f"intent={intent!r:.100} is not served; there is {_TRANSCRIPTION}",
            param="intent",
            code="invalid_value",
        )


class _Conversation:
    """A websocket that was accepted, and the session on it."""

    def __init__(self, websocket: WebSocket, server: ServerState, model: str) -> None:
        self._websocket = websocket
        self._limits = server.settings.live
        beta = "realtime=v1" in websocket.headers.get("openai-beta", "")
        self._session = Session(server, model, self._send, beta)
        self._draining = asyncio.ensure_future(server.drain.wait())

    async def hold(self) -> None:
        """Take what the client sends until one of both ends it."""
        code, why = _GOING_AWAY, f"a session lasts {self._limits.session_seconds:g} s at most"
        try:
            with anyio.move_on_after(self._limits.session_seconds):
                await self._session.start()
                why = await self._take()
            await self._session.end(why)
        except SessionOverError:
            code = _TRY_LATER
        except (ClientGoneError, WebSocketDisconnect):
            return
        finally:
            self._draining.cancel()
            await self._session.close()
        try:
            await self._websocket.close(code)
        except (RuntimeError, WebSocketDisconnect):  # the client was faster
            return

    async def _take(self) -> str:
        """Take what comes; return why the session ends. Raises WebSocketDisconnect."""
        idle = self._limits.idle_seconds
        while True:
            message = unasked(asyncio.ensure_future(self._websocket.receive()))
            try:
                await asyncio.wait(
                    (message, self._draining), timeout=idle, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                if not message.done():
                    message.cancel()
            if not message.done():
                return "the server ends" if self._draining.done() else f"idle for {idle:g} s"
            await self._session.receive(_text(message.result()))

    async def _send(self, event: Event) -> None:
        try:
            await self._websocket.send_text(json.dumps(event))
        # TimeoutError, of a client that does not read, has a name of its own before Python 3.11.
        except (WebSocketDisconnect, OSError, RuntimeError, asyncio.TimeoutError) as error:
            raise ClientGoneError from error


def _text(message: Message) -> str:
    """Return what a message says. Raises WebSocketDisconnect for the last one."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1005)
    text = message.get("text")
    return str(message["bytes"], "utf-8", "replace") if text is None else str(text)
