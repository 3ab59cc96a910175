"""A client of Wyoming: what its events do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
from wyoming.asr import (
    Transcribe,
    Transcript,
    TranscriptChunk,
    TranscriptStart,
    TranscriptStop,
    VadSensitivity,
)
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import Describe, SelectProgram
from wyoming.ping import Ping, Pong

from parrotlet.errors import CapacityError, ParrotletError
from parrotlet.levels import Samples
from parrotlet.serve.errors import ApiError
from parrotlet.serve.live.activity import VoiceActivity
from parrotlet.serve.live.audio import SoundDecoder, SoundFormat, pcm
from parrotlet.serve.live.choices import make_choices
from parrotlet.serve.live.turns import Heard, Turn, open_turn
from parrotlet.serve.models import LoadedModel
from parrotlet.serve.state import ServerState
from parrotlet.serve.wyoming.info import Descriptions
from parrotlet.serve.wyoming.reading import BadEventError, read_event

_log = logging.getLogger(__name__)

_SILENCE = {
    VadSensitivity.AGGRESSIVE: 1.0,
    VadSensitivity.DEFAULT: 2.0,
    VadSensitivity.RELAXED: 4.0,
}
"""Seconds of silence that end a turn whose end the model did not see."""


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
                        event = await read_event(self._reader, limits.max_message_bytes)
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
        told = self._asked
        name = _text(told.name, "name") or self._program
        self._loaded = await self._borrowed.enter_async_context(self._server.models.borrow(name))
        model = self._loaded.model
        phrases = [*_texts(told.transcript_names), *_texts(told.transcript_terms)]
        choices = make_choices(model, _text(told.language, "language"), keywords=phrases)
        await asyncio.to_thread(model.prepare, choices.decoding, choices.language)
        seconds = self._limits.buffered_seconds
        self._turn = open_turn(self._loaded, choices, self._server.admission, seconds)
        self._said, self._format = [], None
        self._take_format(pcm(asked.width, asked.rate, asked.channels))
        self._activity = None
        if self._loaded.can_stream:
            if model.ends_utterances:
                silence = _SILENCE.get(told.vad_sensitivity, 2.0)  # type: ignore[arg-type]
                self._activity = VoiceActivity(0.5, silence, model.sample_rate)
            await self._write(TranscriptStart(language=told.language))

    async def _chunk(self, asked: AudioChunk) -> None:
        if self._turn is None:  # the turn is over, and the client does not know yet
            return
        format = pcm(asked.width, asked.rate, asked.channels)
        samples = self._take_format(format)
        if len(samples):
            await self._hear(self._turn, samples)
        await self._hear(self._turn, self._decode(asked.audio))

    def _take_format(self, format: SoundFormat) -> Samples:
        """Decode `format` from now on; return what is left of the one before."""
        ...

    async def _stop(self, asked: AudioStop) -> None:
        if self._turn is not None:
            await self._hear(self._turn, self._decode(b"", last=True))
        if self._turn is not None:
            await self._finish(self._turn)
