"""A session of OpenAI's realtime transcription: what a client's events do."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any

from parrotlet.errors import CapacityError, ParrotletError
from parrotlet.serve.errors import ApiError, bad_value
from parrotlet.serve.realtime.beta import from_beta, is_beta, to_beta
from parrotlet.serve.realtime.events import error_event, event, new_id
from parrotlet.serve.realtime.hearing import Hearing, Send, as_api_error
from parrotlet.serve.realtime.settings import SessionSettings, TranscriptionSettings
from parrotlet.serve.state import ServerState

Fields = Mapping[str, Any]


class SessionOverError(Exception):
    """The session ends; the client was told why."""


class Session:
    """Takes the events of one client, and answers with `send`."""

    def __init__(self, server: ServerState, model: str, send: Send, beta: bool) -> None:
        """Begin with a model by name; `beta` says that the client knows the older names."""
        self._send = send
        self._beta = beta
        self._id = new_id("sess")
        self._expires = int(time.time() + server.settings.live.session_seconds)
        self._settings = SessionSettings(TranscriptionSettings(model))
        types = ("created",) if beta else ("added", "done")
        item_types = tuple(f"conversation.item.{type}" for type in types)
        self._hearing = Hearing(server, self._settings, send, item_types)
        self._handlers = {
            "session.update": self._update,
            "transcription_session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
        }

    async def start(self) -> None:
        """Say what the session is."""
        await self._tell("created", self._beta)

    async def receive(self, text: str) -> None:
        """Take an event. Raises SessionOverError, ClientGoneError."""
        cause = None
        try:
            fields = _parse(text)
            cause = fields.get("event_id")
            if not isinstance(cause, str):
                cause = None
            handler = self._handlers.get(fields["type"])
            if handler is None:
                known = ", ".join(self._handlers)
                raise bad_value("type", f"{fields['type']!r:.100} is none of {known}")
            await handler(fields)
        except CapacityError as error:
            refused = ApiError(429, str(error), code="capacity_exceeded")
            await self._send(error_event(refused, cause))
            raise SessionOverError from error
        except (ApiError, ParrotletError, ValueError) as error:
            await self._send(error_event(as_api_error(error), cause))

    async def end(self, why: str) -> None:
        """Tell what was heard so far, and that the session is over."""
        await self._hearing.finish()
        over = ApiError(400, f"the session has ended: {why}", code="session_expired")
        await self._send(error_event(over))

    async def close(self) -> None:
        """Leave everything."""
        await self._hearing.close()

    async def _update(self, fields: Fields) -> None:
        session = fields.get("session")
        if not isinstance(session, dict):
            raise bad_value("session", "expected an object")
        older = fields["type"] == "transcription_session.update" or is_beta(session)
        settings = self._settings.updated(from_beta(session) if older else session)
        await self._hearing.change(settings)
        self._settings = settings
        await self._tell("updated", fields["type"] == "transcription_session.update")

    async def _append(self, fields: Fields) -> None:
        audio = fields.get("audio")
        if not isinstance(audio, str):
            raise bad_value("audio", "expected sound in base64")
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_value("audio", f"is no base64 ({error})") from error
        await self._hearing.append(data)

    async def _commit(self, fields: Fields) -> None:
        await self._hearing.commit()

    async def _clear(self, fields: Fields) -> None:
        self._hearing.clear()
        await self._send(event("input_audio_buffer.cleared"))

    async def _tell(self, what: str, older: bool) -> None:
        session = {
            "id": self._id,
            "object": "realtime.transcription_session",
            "expires_at": self._expires,
            **self._settings.to_dict(),
        }
        if older:
            await self._send(event(f"transcription_session.{what}", session=to_beta(session)))
        else:
            await self._send(event(f"session.{what}", session=session))


def _parse(text: str) -> Fields:
    """Return the fields of an event. Raises ApiError 400 for what is none."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"an event is no JSON ({error})", code="invalid_json") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise bad_value("type", "an event is an object with a type")
    return fields
