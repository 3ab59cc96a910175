"""A model with one of its heads and attention contexts: from samples to a transcription."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from parrotlet import _core
from parrotlet.batch import Recogniser
from parrotlet.decoding.assemble import Parts, assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.transcript import Transcript
from parrotlet.errors import AudioError
from parrotlet.longform.assembly import Assembler
from parrotlet.longform.limits import WindowMemory, plan
from parrotlet.machine import parse_bytes
from parrotlet.model_config import ModelConfig
from parrotlet.results import Transcription
from parrotlet.streaming import Stream

MIN_FRAMES = 2
"""Feature frames that a recording must fill: normalisation needs two for a variance."""


def check_length(config: ModelConfig, samples: NDArray[np.float32], name: str) -> None:
    """Raise AudioError for fewer samples than there have to be."""
    needed = MIN_FRAMES * config.hop_length
    if len(samples) < needed:
        raise AudioError(
            f"{name}: the recording is too short ({len(samples) / config.sample_rate:.4g} s, "
            f"{len(samples)} samples); at least {needed / config.sample_rate:.4g} s are needed"
        )


@dataclass(frozen=True)
class Recognition:
    """What is needed beside a recording.

    `head` is one of `config.heads`, `context` the (left, right) attention context. `max_symbols`
    bounds the tokens of a frame; None leaves that to the model. `scorer` has a say in which tokens
    are chosen, anew in each window of a long recording.
    """

    core: _core.Model
    config: ModelConfig
    memory: WindowMemory
    head: str
    context: tuple[int, int]
    max_symbols: int | None = None
    scorer: _core.decoding.TokenScorer | None = None

    def recogniser(self, max_memory: int | str | None, window: float | None) -> Recogniser:
        """Return what transcribes recordings of any length; raises ValueError for bad limits."""
        config, head = self.config, self.head
        if isinstance(max_memory, str):
            max_memory = parse_bytes(max_memory)
        window_bytes = partial(self.memory.bytes, context=self.context)
        return Recogniser(
            recognise=self.recognise,
            check_length=partial(check_length, config),
            start=lambda: Assembler(
                head, config.tokenizer, config.sample_rate, config.subsampling * config.hop_length
            ),
            finish=self._transcription,
            window_bytes=window_bytes,
            sample_rate=config.sample_rate,
            threads=self.core.threads,
            limits=plan(
                config, window_bytes, self.context[1], self.core.threads, max_memory, window
            ),
        )

    def recognise(self, recordings: Sequence[NDArray[np.float32]]) -> list[Sequence[Emission]]:
        """Return the tokens of samples [n] of each recording, recognised in one pass together."""
        silent = [_core.is_silent(samples) for samples in recordings]
        heard = [s for s, skipped in zip(recordings, silent, strict=True) if not skipped]
        alone = len(heard) < 2
        found = map(self._recognise, heard) if alone else iter(self._recognise_together(heard))
        return [[] if skipped else next(found) for skipped in silent]

    def _recognise(self, samples: NDArray[np.float32]) -> list[Emission]:
        options = self.search_options()
        rows = _core.recognise(self.core, samples, *self.context, self.head, options)
        return [Emission(*row) for row in rows]

    def _recognise_together(
        self, recordings: Sequence[NDArray[np.float32]]
    ) -> list[list[Emission]]:
        """Encode all recordings at once, and search each by itself."""
        features = [self.core.features(samples) for samples in recordings]
        found = []
        for encoded in self.core.encode_many(features, *self.context):
            search = _core.Search(self.core, self.head, self.search_options())
            settled, _ = search.feed(encoded)
            found.append([Emission(*row) for row in settled + search.finish()])
        return found

    def stream(self) -> Stream:
        """Start a stream, for models that can."""
        config = self.config
        encoder = _core.Stream(self.core, *self.context)

        def start() -> tuple[_core.Search, Transcript]:
            search = _core.Search(self.core, self.head, self.search_options())
            return search, Transcript(self.head, config.tokenizer, config.frame_seconds)

        def finished(emissions: Sequence[Emission], duration: float) -> Transcription:
            parts = assemble(emissions, self.head, config.tokenizer, config.frame_seconds)
            return self._transcription(parts, duration, None)

        return Stream(
            encoder,
            *start(),
            finished,
            sample_rate=config.sample_rate,
            frame_seconds=config.frame_seconds,
            right_context=self.context[1],
            restart=start if encoder.is_preview else None,
        )

    def search_options(self) -> _core.SearchOptions:
        """Return the settings of the search for tokens."""
        limit = self.max_symbols or self.config.max_symbols
        return _core.SearchOptions(limit, scorer=self.scorer)

    def _transcription(self, parts: Parts, duration: float, audio: str | None) -> Transcription:
        parts = parts.within(duration)
        return Transcription(
            text=parts.text,
            duration=duration,
            words=parts.words,
            segments=parts.segments,
            tokens=parts.tokens,
            decoder=self.head,
            model=self.config.name,
            audio=audio,
        )
