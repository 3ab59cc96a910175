"""Recognising one turn: what a client sends as one, or what somebody speaks in one go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from parrotlet.decoding.options import Decoding
from parrotlet.decoding.partial import Partial
from parrotlet.errors import AudioError
from parrotlet.model import Model
from parrotlet.results import Transcription, Word
from parrotlet.samples import Samples
from parrotlet.serve.admission import Admission
from parrotlet.serve.models import LoadedModel
from parrotlet.serve.tasks import to_the_end
from parrotlet.serve.transcription.fields import decoding_for, language_for
from parrotlet.streams import GroupStream


@dataclass(frozen=True, slots=True)
class Choices:
    """How a turn is recognised; `language` and `right_context` are of the model's."""

    decoding: Decoding
    language: str | None = None
    right_context: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """Text that has become final, its words, and whether the model says that the turn is over."""

    text: str = ""
    words: tuple[Word, ...] = ()
    is_over: bool = False


class Turn(Protocol):
    """A turn that is being recognised. `samples` is how many it was fed."""

    samples: int

    def feed(self, samples: Samples) -> AsyncIterator[Heard]:
        """Take the next samples [n]; give what becomes final, in order.

        Raises AudioError for more than can be kept.
        """

    async def finish(self) -> tuple[Heard, Transcription]:
        """Return what becomes final at the end, and the whole. Raises ParrotletError, ApiError."""

    def close(self) -> None:
        """Give up what the turn holds, without a result."""


class LiveTurn:
    """A turn as a stream of its model's group."""

    def __init__(self, stream: GroupStream, sample_rate: int) -> None:
        """Take a stream that was just opened."""
        self._stream = stream
        self._said = 0  # characters
        self._block = max(1, round(max(stream.chunk_seconds, 0.08) * sample_rate))
        self.samples = 0

    async def feed(self, samples: Samples) -> AsyncIterator[Heard]:
        """Take the next samples, a chunk at a time."""
        for start in range(0, len(samples), self._block):
            block = samples[start : start + self._block]
            self.samples += len(block)
            yield self._heard(await self._stream.feed_async(block))

    async def finish(self) -> tuple[Heard, Transcription]:
        """Leave the group with the result."""
        result = await self._stream.finish_async()
        return self._heard(self._stream.partial), result

    def close(self) -> None:
        """Leave the group."""
        self._stream.close()

    def _heard(self, partial: Partial) -> Heard:
        text = partial.final[self._said :]
        self._said += len(text)
        is_over = any(event.kind == "EOU" for event in partial.events)
        return Heard(text, partial.new_words, is_over)


class KeptTurn:
    """A turn of a model that takes whole recordings: sound is kept until the end."""

    def __init__(
        self, loaded: LoadedModel, choices: Choices, admission: Admission, most_seconds: float
    ) -> None:
        """Keep `most_seconds` at most; `admission` says when it is the turn's turn."""
        self._name = loaded.name
        self._model = loaded.model
        self._choices = choices
        self._admission = admission
        self._most_seconds = most_seconds
        self._blocks: list[Samples] = []
        self.samples = 0

    async def feed(self, samples: Samples) -> AsyncIterator[Heard]:
        """Keep the next samples."""
        if self.samples + len(samples) > self._most_seconds * self._model.sample_rate:
            raise AudioError(
                f"{self._name} cannot stream, and more than {self._most_seconds:g} s of "
                "sound wait for it; commit or clear them first"
            )
        self.samples += len(samples)
        self._blocks.append(samples)
        return
        yield  # what makes this a generator

    async def finish(self) -> tuple[Heard, Transcription]:
        """Wait for a place, and transcribe."""
        samples = np.concatenate(self._blocks) if self._blocks else np.empty(0, np.float32)
        self._blocks = []
        async with self._admission.slot():
            working = asyncio.to_thread(
                self._model.transcribe,
                samples,
                right_context=self._choices.right_context,
                decoding=self._choices.decoding,
                language=self._choices.language,
            )
            result = await to_the_end(asyncio.ensure_future(working))
        return Heard(result.text, result.words), result

    def close(self) -> None:
        """Forget the sound."""
        self._blocks = []


async def choose(
    model: Model,
    language: str | None,
    phrases: Sequence[str],
    hints: Sequence[str] = (),
    right_context: int | None = None,
) -> Choices:
    """Return the choices for what a client says: see `language_for` and `decoding_for`.

    Raises ApiError 400.
    """
    language = language_for(model, language)
    decoding = await asyncio.to_thread(decoding_for, model, phrases, hints)
    return Choices(decoding, language, right_context)


def open_turn(
    loaded: LoadedModel, choices: Choices, admission: Admission, most_seconds: float
) -> Turn:
    """Start a turn. Raises CapacityError where the machine carries no more live streams, and what
    `Model.stream` raises."""
    if not loaded.can_stream:
        return KeptTurn(loaded, choices, admission, most_seconds)
    stream = loaded.streams().open(
        choices.right_context, decoding=choices.decoding, language=choices.language
    )
    return LiveTurn(stream, loaded.model.sample_rate)
