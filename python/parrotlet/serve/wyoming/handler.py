"""A client of Wyoming: what its events do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, ClassVar

import anyio
from wyoming.asr import (
    Transcribe,
    Transcript,
    TranscriptChunk,
    TranscriptStart,
    TranscriptStop,
)
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import Describe, SelectProgram
from wyoming.ping import Ping, Pong

from parrotlet.errors import CapacityError, ParrotletError
from parrotlet.samples import Samples
from parrotlet.serve.errors import ApiError, bad_value
from parrotlet.serve.live.activity import VoiceActivity
from parrotlet.serve.live.audio import SoundDecoder, SoundFormat, pcm, seconds
from parrotlet.serve.live.turns import Heard, Turn, choose, open_turn
from parrotlet.serve.models import LoadedModel
from parrotlet.serve.state import ServerState
from parrotlet.serve.transcription.fields import checked_phrases
from parrotlet.serve.wyoming.info import Descriptions, ends_turns
from parrotlet.serve.wyoming.reading import BadEventError, read_event

_SILENCE = {"aggressive": 1.0, "default": 2.0, "relaxed": 4.0}
"""Seconds of silence that end a turn whose end the model did not see, by `vad_sensitivity`."""

_BLOCK_SECONDS = 0.1
_LEAST_SECONDS = 0.1


class Handler:
    """Serves one connection: any number of turns, one after the other."""

    def __init__(
        self,
        server: ServerState,
        descriptions: Descriptions,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Begin with the default model."""
        self._server = server
        self._limits = server.settings.live
        self._descriptions = descriptions
        self._reader = reader
        self._writer = writer
        self._program: str | None = None
        self._asked = Transcribe()
        self._borrowed = AsyncExitStack()
        self._loaded: LoadedModel
        self._turn: Turn | None = None
        self._activity: VoiceActivity | None = None
        self._format: SoundFormat | None = None
        self._decode: SoundDecoder
        self._said: list[str] = []

    async def run(self) -> None:
        """Answer events until the client leaves, or is left."""
        limits = self._limits
        try:
            with anyio.move_on_after(limits.session_seconds):
                while True:
                    with anyio.fail_after(limits.idle_seconds):
                        event = await read_event(self._reader, limits.max_event_bytes)
                    if event is None:
                        return
                    await self._answer(event)
        except CapacityError as error:
            await self._refuse(str(error), "capacity_exceeded")
        except ApiError as error:
            await self._refuse(error.message, error.code)
        except (BadEventError, ParrotletError, ValueError) as error:
            await self._refuse(str(error), "invalid_value")
        except OSError:  # TimeoutError is one: the client is silent, or gone
            return
        finally:
            await self._drop_turn()

    async def refuse(self, error: ApiError) -> None:
        """Tell the client why it is not served."""
        await self._refuse(error.message, error.code)

    async def _refuse(self, message: str, code: str | None) -> None:
        try:
            await self._write(Error(message, code))
        except OSError:
            return

    async def _answer(self, event: Event) -> None:
        """Do what an event says; those of other services say nothing here."""
        for type, answer in self._answers.items():
            if type.is_type(event.type):
                try:
                    asked = type.from_event(event)
                except (KeyError, TypeError, AttributeError, ValueError) as error:
                    raise BadEventError(f"{event.type:.100}: {error!r:.200}") from error
                await answer(self, asked)

    async def _describe(self, asked: Describe) -> None:
        await self._write(await self._descriptions.info())

    async def _ping(self, asked: Ping) -> None:
        await self._write(Pong(asked.text))

    async def _select(self, asked: SelectProgram) -> None:
        self._program = self._server.models.name_of(_text(asked.name, "name"))

    async def _transcribe(self, asked: Transcribe) -> None:
        await self._drop_turn()
        self._asked = asked

    async def _start(self, asked: AudioStart) -> None:
        await self._drop_turn()
        if self._server.draining:
            raise ApiError(503, "the server is about to end", code="draining")
        told = self._asked
        name = _text(told.name, "name") or self._program
        loaded = await self._borrowed.enter_async_context(self._server.models.borrow(name))
        phrases = checked_phrases((*_texts(told.transcript_names), *_texts(told.transcript_terms)))
        language = _text(told.language, "language")
        choices = await choose(loaded.model, language, phrases)
        most_seconds = self._limits.buffered_seconds
        self._turn = open_turn(loaded, choices, self._server.admission, most_seconds)
        self._server.active += 1
        self._loaded, self._said = loaded, []
        self._take_format(pcm(asked.width, asked.rate, asked.channels))
        self._activity = None
        if ends_turns(loaded):
            sensitivity = _text(told.vad_sensitivity, "vad_sensitivity")
            silence = _SILENCE.get(sensitivity or "default", _SILENCE["default"])
            self._activity = VoiceActivity(0.5, silence, loaded.model.sample_rate)
        if loaded.can_stream:
            await self._write(TranscriptStart(language=language))

    async def _chunk(self, asked: AudioChunk) -> None:
        if self._turn is None:  # it is over, and the client may not know yet
            return
        format = pcm(asked.width, asked.rate, asked.channels)
        if format != self._format:
            await self._hear(self._decode(b"", last=True))
            self._take_format(format)
        for part in seconds(asked.audio, format):
            await self._hear(self._decode(part))
            await asyncio.sleep(0)

    async def _stop(self, asked: AudioStop) -> None:
        if self._turn is not None:
            await self._hear(self._decode(b"", last=True))
        if self._turn is not None:
            await self._finish(self._turn)

    def _take_format(self, format: SoundFormat) -> None:
        self._format = format
        self._decode = SoundDecoder(format, self._loaded.model.sample_rate)

    async def _hear(self, samples: Samples) -> None:
        """Give the turn its next samples, and end it where that is the server's to do."""
        size = round(_BLOCK_SECONDS * self._loaded.model.sample_rate)
        for start in range(0, len(samples), size):
            turn, block = self._turn, samples[start : start + size]
            if turn is None:
                return
            is_over = False
            async for heard in turn.feed(block):
                await self._tell(heard)
                is_over = is_over or heard.is_over
            if self._activity is not None:
                changes = list(self._activity.feed(block))
                if is_over or any(not change.speaking for change in changes):
                    await self._finish(turn)

    async def _tell(self, heard: Heard) -> None:
        if heard.text:
            self._said.append(heard.text)
            if self._loaded.can_stream:
                await self._write(TranscriptChunk(heard.text))

    async def _finish(self, turn: Turn) -> None:
        """Answer with the whole of a turn."""
        language = None
        if turn.samples >= _LEAST_SECONDS * self._loaded.model.sample_rate:
            heard, result = await turn.finish()
            await self._tell(heard)
            self._server.metrics.audio_seconds.labels(self._loaded.name).inc(result.duration)
            language = result.language
        await self._write(Transcript("".join(self._said), language=language))
        if self._loaded.can_stream:
            await self._write(TranscriptStop())
        await self._drop_turn()

    async def _drop_turn(self) -> None:
        if self._turn is not None:
            self._turn.close()
            self._turn = None
            self._server.active -= 1
        await self._borrowed.aclose()

    async def _write(self, told: Eventable) -> None:
        with anyio.fail_after(self._server.settings.limits.receive_seconds):
            await async_write_event(told.event(), self._writer)

    _answers: ClassVar[dict[type[Eventable], Callable[[Handler, Any], Awaitable[None]]]] = {
        Describe: _describe,
        Ping: _ping,
        SelectProgram: _select,
        Transcribe: _transcribe,
        AudioStart: _start,
        AudioChunk: _chunk,
        AudioStop: _stop,
    }


def _text(value: object, name: str) -> str | None:
    """Return a field of text. Raises ApiError 400 for another type."""
    if value is not None and not isinstance(value, str):
        raise bad_value(name, "expected a string")
    return value


def _texts(values: object) -> list[str]:
    """Return a field of several texts, empty where it is missing. Raises ApiError 400."""
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise bad_value("transcribe", "names and terms are lists of strings")
    return values
