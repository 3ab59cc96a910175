"""The sound of a session, and the turns in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from parrotlet.errors import AudioError, ParrotletError
from parrotlet.results import Transcription
from parrotlet.samples import Samples
from parrotlet.serve.errors import ApiError, bad_value
from parrotlet.serve.live.audio import SoundDecoder, seconds
from parrotlet.serve.live.segments import Segmenter, Started, Stopped
from parrotlet.serve.live.turns import Choices, Heard, KeptTurn, Turn, choose, open_turn
from parrotlet.serve.models import LoadedModel
from parrotlet.serve.realtime.events import (
    Event,
    completed_event,
    delta_event,
    event,
    failed_event,
    item_event,
    new_id,
    word_log_probs,
)
from parrotlet.serve.realtime.settings import DELAYS, SessionSettings
from parrotlet.serve.state import ServerState
from parrotlet.serve.transcription.answers import log_probs
from parrotlet.serve.transcription.fields import named_in

_log = logging.getLogger(__name__)

_BLOCK_SECONDS = 0.1
_LEAST_SECONDS = 0.1

Send = Callable[[Event], Awaitable[None]]


class ClientGoneError(Exception):
    """Nobody takes what is sent."""


@dataclass
class _Item:
    """A turn with its place in the conversation, and what was said of it."""

    turn: Turn
    loaded: LoadedModel
    id: str = field(default_factory=lambda: new_id("item"))
    said: list[str] = field(default_factory=list)


class Hearing:
    """Takes a session's sound, and tells what is said in it.

    A place among the model's live streams is taken with the first sound and kept until the end, so
    that a session is refused at its beginning or never.
    """

    def __init__(
        self,
        server: ServerState,
        settings: SessionSettings,
        send: Send,
        item_types: tuple[str, ...],
    ) -> None:
        """`item_types` are the events that tell of a new item."""
        self._server = server
        self._limits = server.settings.live
        self._settings = settings
        self._send = send
        self._item_types = item_types
        self._borrowed = AsyncExitStack()
        self._loaded: LoadedModel | None = None
        self._choices: Choices
        self._sound: SoundDecoder
        self._segmenter: Segmenter | None = None
        self._position = 0
        self._turn: Turn | None = None  # the next one, or that of `_item`
        self._item: _Item | None = None
        self._previous: str | None = None
        self._pending: asyncio.Queue[_Item] = asyncio.Queue(self._limits.pending_turns)
        self._completing: asyncio.Task[None] | None = None

    async def change(self, settings: SessionSettings) -> None:
        """Hear with other settings from now on; a turn that has begun goes on with its own.

        Raises ApiError for what the model cannot do, and ParrotletError; then nothing changes.
        """
        before = self._settings
        async with AsyncExitStack() as borrowing:
            loaded = await borrowing.enter_async_context(
                self._server.models.borrow(settings.transcription.model)
            )
            if loaded is not self._loaded and self._item is not None:
                raise bad_value(
                    "session.audio.input.transcription.model",
                    "cannot change within a turn; commit or clear it first",
                )
            choices = await _choices(loaded, settings)
            await self._pending.join()
            borrowed = borrowing.pop_all()
        had_place = self._turn is not None
        if self._item is None:
            self._drop_turn()
        other_model = loaded is not self._loaded
        await self._borrowed.aclose()
        self._borrowed, self._loaded, self._choices = borrowed, loaded, choices
        self._settings = settings
        if other_model or settings.format != before.format:
            self._sound = SoundDecoder(settings.format.sound, self._rate)
        if other_model or settings.turn_detection != before.turn_detection:
            self._segmenter = None
            if (found := settings.turn_detection) is not None:
                self._segmenter = Segmenter(found.detection, self._rate, self._position)
        if had_place:
            self._reserve()

    async def append(self, data: bytes) -> None:
        """Take the next sound. Raises CapacityError, ApiError, ParrotletError."""
        if self._loaded is None:
            await self.change(self._settings)
        self._reserve()
        # A second at a time, so that others are heard meanwhile.
        for part in seconds(data, self._settings.format.sound):
            await self._hear(self._sound(part))
            await asyncio.sleep(0)

    async def commit(self) -> None:
        """End the turn. Raises ApiError where there is none, or too little of it."""
        if self._loaded is not None and self._item is not None:
            with suppress(AudioError):  # the buffer is full, and a few samples less are no matter
                await self._hear(self._sound(b"", last=True))
            self._sound = SoundDecoder(self._settings.format.sound, self._rate)
        item = self._item
        heard = 0.0 if item is None else item.turn.samples / self._rate
        if item is None or heard < _LEAST_SECONDS:
            raise ApiError(
                400,
                f"there are {heard * 1000:.0f} ms of sound in the buffer; a turn has "
                f"{_LEAST_SECONDS * 1000:.0f} ms at least",
                code="input_audio_buffer_commit_empty",
            )
        await self._end_turn()

    def clear(self) -> None:
        """Forget the sound since the last turn."""
        if self._turn is not None:
            self._drop_turn()
            self._reserve()
        if self._loaded is not None:
            self._sound = SoundDecoder(self._settings.format.sound, self._rate)
        if self._segmenter is not None:
            self._segmenter.clear()

    async def finish(self) -> None:
        """End the turn, if there is one, and wait for the text of all."""
        if self._item is not None:
            await self._end_turn()
        await self._pending.join()

    async def close(self) -> None:
        """Leave everything."""
        self._drop_turn()
        if self._completing is not None:
            self._completing.cancel()
            with suppress(asyncio.CancelledError):
                await self._completing
        await self._borrowed.aclose()

    @property
    def _rate(self) -> int:
        assert self._loaded is not None
        return self._loaded.model.sample_rate

    def _reserve(self) -> Turn:
        assert self._loaded is not None
        if self._turn is None:
            seconds = self._limits.buffered_seconds
            self._turn = open_turn(self._loaded, self._choices, self._server.admission, seconds)
        return self._turn

    def _drop_turn(self) -> None:
        if self._turn is not None:
            self._turn.close()
        self._turn = self._item = None

    async def _hear(self, samples: Samples) -> None:
        size = round(_BLOCK_SECONDS * self._rate)
        for start in range(0, len(samples), size):
            block = samples[start : start + size]
            self._position += len(block)
            if self._segmenter is None:
                await self._feed(block)
            else:
                await self._segment(self._segmenter, block)

    async def _segment(self, segmenter: Segmenter, block: Samples) -> None:
        """Take a block in which turns may begin and end."""
        detection = self._settings.turn_detection
        assert detection is not None
        for found in segmenter.feed(block):
            if isinstance(found, Started):
                await self._send(
                    event(
                        "input_audio_buffer.speech_started",
                        audio_start_ms=self._milliseconds(found.position),
                        item_id=self._begin().id,
                    )
                )
            elif isinstance(found, Stopped):
                await self._stop(found.position)
            else:
                is_over = await self._feed(found.samples)
                turn = self._reserve()
                too_long = turn.samples >= self._limits.turn_seconds * self._rate
                if (is_over and detection.is_semantic) or too_long:
                    segmenter.end_turn()
                    await self._stop(segmenter.position)

    async def _stop(self, position: int) -> None:
        if self._item is not None:
            await self._send(
                event(
                    "input_audio_buffer.speech_stopped",
                    audio_end_ms=self._milliseconds(position),
                    item_id=self._item.id,
                )
            )
            await self._end_turn()

    def _milliseconds(self, position: int) -> int:
        return position * 1000 // self._rate

    def _begin(self) -> _Item:
        if self._item is None:
            assert self._loaded is not None
            self._item = _Item(self._reserve(), self._loaded)
        return self._item

    async def _feed(self, samples: Samples) -> bool:
        """Give the turn its next samples; return whether the model says that it is over."""
        item, is_over = self._begin(), False
        async for heard in item.turn.feed(samples):
            await self._tell(item, heard)
            is_over = is_over or heard.is_over
        return is_over

    async def _end_turn(self) -> None:
        item = self._item
        assert item is not None
        self._item = self._turn = None
        if self._segmenter is not None:
            self._segmenter.end_turn()
        previous, self._previous = self._previous, item.id
        await self._send(
            event("input_audio_buffer.committed", item_id=item.id, previous_item_id=previous)
        )
        for type in self._item_types:
            await self._send(item_event(type, item.id, previous, None))
        if isinstance(item.turn, KeptTurn):
            if self._completing is None:
                self._completing = asyncio.create_task(self._complete_pending())
            await self._pending.put(item)
        else:
            found = await _finished(item)
            # At once, before another session takes the place among the streams.
            self._reserve()
            await self._tell_whole(item, found)

    async def _complete_pending(self) -> None:
        while True:
            item = await self._pending.get()
            with suppress(ClientGoneError):
                await self._tell_whole(item, await _finished(item))
            self._pending.task_done()

    async def _tell_whole(self, item: _Item, found: tuple[Heard, Transcription] | ApiError) -> None:
        if isinstance(found, ApiError):
            await self._send(failed_event(item.id, found))
            return
        heard, result = found
        await self._tell(item, heard)
        self._server.metrics.audio_seconds.labels(item.loaded.name).inc(result.duration)
        transcript = "".join(item.said)
        logprobs = log_probs(result.tokens, item.loaded.model) if self._settings.logprobs else None
        await self._send(completed_event(item.id, result, transcript, logprobs))

    async def _tell(self, item: _Item, heard: Heard) -> None:
        if heard.text:
            item.said.append(heard.text)
            logprobs = (
                word_log_probs(heard.words, item.loaded.model) if self._settings.logprobs else None
            )
            await self._send(delta_event(item.id, heard.text, logprobs))


async def _finished(item: _Item) -> tuple[Heard, Transcription] | ApiError:
    """Return the whole of a turn, or why there is none."""
    try:
        return await item.turn.finish()
    except (ApiError, ParrotletError) as error:
        return as_api_error(error)
    except Exception:
        _log.exception("a turn could not be transcribed")
        return ApiError(500, "the server failed; its log says why", code="internal_error")


def as_api_error(error: ApiError | ParrotletError | ValueError) -> ApiError:
    """Return what a client is told."""
    if isinstance(error, ApiError):
        return error
    return ApiError(400, str(error), code="invalid_value")


async def _choices(loaded: LoadedModel, settings: SessionSettings) -> Choices:
    """Raises ApiError 400 for what the model cannot do."""
    detection, told = settings.turn_detection, settings.transcription
    model = loaded.model
    marks = loaded.can_stream and model.ends_utterances
    if detection is not None and detection.is_semantic and not marks:
        raise bad_value(
            "session.audio.input.turn_detection.type",
            f"{loaded.name} does not mark the ends of utterances, which semantic_vad needs; take "
            "server_vad, or a model with <EOU> tokens",
        )
    contexts = sorted(context for context in model.right_contexts if context >= 0)
    context = None
    if told.delay is not None and contexts and loaded.can_stream:
        place = DELAYS.index(told.delay) / (len(DELAYS) - 1)
        context = contexts[round(place * (len(contexts) - 1))]
    hints = named_in(told.prompt or "")
    return await choose(model, told.language, told.keywords, hints, context)
