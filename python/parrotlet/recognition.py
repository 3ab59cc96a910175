"""A model with one of its heads and attention contexts: from samples to a transcription."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from parrotlet import _core
from parrotlet.architectures.buffering import ContextSize
from parrotlet.batch import Recogniser
from parrotlet.decoding.assemble import Parts, assemble
from parrotlet.decoding.emission import Emission, Found
from parrotlet.decoding.languages import (
    Languages,
    main_language,
    vocabulary_language,
    with_languages,
)
from parrotlet.decoding.transcript import Transcript
from parrotlet.errors import AudioError
from parrotlet.longform.assembly import Assembler
from parrotlet.longform.limits import Windowing, WindowMemory, choose_limits
from parrotlet.model_config import ModelConfig
from parrotlet.prompting import Prompting
from parrotlet.results import Alternative, Transcription
from parrotlet.streaming import Row, Stream, Told, emissions

MIN_FRAMES = 2
"""Feature frames that a recording must fill: normalisation needs two for a variance."""


BEAM_MAX_SYMBOLS = 10
"""Tokens of a transducer per frame in a beam, unless told; NeMo's `beam.max_symbols`."""

NONE_OF_WINDOWS = (
    "has no alternatives, as it was recognised in windows, whose texts cannot be put together; "
    "nbest is for recordings that one window holds"
)

_Alternative = TypeVar("_Alternative")

Process = Callable[[int, int, NDArray[np.float32]], NDArray[np.float32]]
"""The frame, how many tokens there are before it, and the joint's logits, to the logits to go on
with; see `_core.SearchOptions`."""


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
    """A model, and the choices that a caller has made: all that is needed besides a recording.

    `head` is one of `config.heads`, `context` the (left, right) attention context. `max_symbols`
    bounds the tokens of a frame; None leaves that to the model, or to the beam. `scorer` has a say
    in which tokens are chosen, anew in each window of a long recording. `nbest` of the texts that a
    beam has found become alternatives, if more than 1. `prompting` is the language that the model
    is told, and `keep_tags` says that tags of languages stay in the text.
    """

    core: _core.Model
    config: ModelConfig
    memory: WindowMemory
    head: str
    context: tuple[int, int]
    max_symbols: int | None = None
    scorer: _core.decoding.TokenScorer | None = None
    beam: _core.BeamOptions = field(default_factory=lambda: _core.BeamOptions("greedy_batch"))
    nbest: int = 1
    prompting: Prompting = field(default_factory=Prompting)
    keep_tags: bool = False

    def recogniser(self, windowing: Windowing) -> Recogniser:
        """Return what transcribes recordings of any length; raises ValueError for too little
        memory."""
        config, head = self.config, self.head
        window_bytes = partial(self.memory.bytes, context=self.context, search=(head, self.beam))
        return Recogniser(
            recognise=self.recognise,
            check_length=partial(check_length, config),
            start=lambda: Assembler(
                head,
                config.tokenizer,
                config.sample_rate,
                config.subsampling * config.hop_length,
                self._languages(),
            ),
            finish=self._transcription,
            window_bytes=window_bytes,
            sample_rate=config.sample_rate,
            threads=self.core.threads,
            limits=choose_limits(
                windowing, config, window_bytes, self.context[1], self.core.threads
            ),
        )

    def recognise(self, recordings: Sequence[NDArray[np.float32]]) -> list[Found]:
        """Return what is found in samples [n] of each recording, recognised in one pass."""
        silent = [_core.is_silent(samples) for samples in recordings]
        audible = [s for s, skipped in zip(recordings, silent, strict=True) if not skipped]
        several = len(audible) > 1
        found = (
            iter(self._recognise_together(audible)) if several else map(self._recognise, audible)
        )
        return [Found() if skipped else next(found) for skipped in silent]

    def _recognise(self, samples: NDArray[np.float32]) -> Found:
        rows, alternatives = _core.recognise(
            self.core,
            samples,
            *self.context,
            self.head,
            self.search_options(),
            self.prompting.index,
        )
        return self._found(rows, alternatives)

    def _recognise_together(self, recordings: Sequence[NDArray[np.float32]]) -> list[Found]:
        """Encode all recordings at once, and search each by itself."""
        features = [self.core.features(samples) for samples in recordings]
        found = []
        for encoded in self.core.encode_many(features, *self.context):
            if self.core.prompts:
                encoded = self.core.give_prompt(encoded, self.prompting.index)
            search = _core.Search(self.core, self.head, self.search_options())
            settled, _ = search.feed(encoded)
            rest = search.finish()
            alternatives = [(settled + rows, score) for rows, score in search.alternatives()]
            found.append(self._found(settled + rest, alternatives))
        return found

    def _found(
        self, rows: Sequence[Row], alternatives: Sequence[tuple[Sequence[Row], float]]
    ) -> Found:
        wanted = self._wanted(alternatives)
        return Found(emissions(rows), [(emissions(rows), score) for rows, score in wanted])

    def _wanted(self, alternatives: Sequence[_Alternative]) -> Sequence[_Alternative]:
        """Return those alternatives that `nbest` asks for."""
        return alternatives[: self.nbest] if self.nbest > 1 else ()

    @property
    def chunk_size(self) -> int:
        """Encoder frames of a chunk of a stream that is not buffered."""
        return 1 + self.context[1]

    @property
    def frame_seconds(self) -> float:
        """Seconds of sound that an encoder frame stands for."""
        return self.config.frame_seconds

    def stream(
        self, make: Callable[..., Stream] = Stream, window: ContextSize | None = None
    ) -> Stream:
        """Start a stream, for models that can; a buffered one with the windows that are given.

        `make` takes what Stream takes.
        """
        config = self.config
        encoder: _core.Stream | _core.BufferedStream
        if window is None:
            encoder = _core.Stream(self.core, *self.context, self.prompting.index)
        else:
            encoder = _core.BufferedStream(
                self.core, window, config.within(window), self.prompting.index
            )

        def start() -> tuple[_core.Search, Transcript]:
            search = _core.Search(self.core, self.head, self.search_options())
            transcript = Transcript(
                self.head,
                config.tokenizer,
                config.frame_seconds,
                revises=search.revises,
                keep_tags=self.keep_tags,
            )
            return search, transcript

        def finished(found: Found, duration: float, languages: Languages) -> Transcription:
            parts = self._assembled(found.tokens, languages)
            return self._transcription(parts, duration, None, found)

        return make(
            encoder,
            *start(),
            finished,
            sample_rate=config.sample_rate,
            frame_seconds=config.frame_seconds,
            right_context=window.right if window else self.context[1],
            chunk_size=window.chunk if window else self.chunk_size,
            told=Told(self.prompting, self._languages(), config.prompting),
            restart=start if encoder.is_preview else None,
        )

    def search_options(self) -> _core.SearchOptions:
        """Return the settings of the search for tokens."""
        limit = self.max_symbols or (
            self.config.max_symbols if self.beam.strategy == "greedy_batch" else BEAM_MAX_SYMBOLS
        )
        return _core.SearchOptions(limit, self.logits_processor(), self.scorer, self.beam)

    def logits_processor(self) -> Process | None:
        """Return what changes a joint's logits before they are looked at: nothing."""
        return None

    def _languages(self) -> Languages:
        return Languages(((0, self.prompting.language),), self.keep_tags)

    def _assembled(self, tokens: Sequence[Emission], languages: Languages | None = None) -> Parts:
        config = self.config
        languages = languages or self._languages()
        return assemble(tokens, self.head, config.tokenizer, config.frame_seconds, languages)

    def _transcription(
        self, parts: Parts, duration: float, audio: str | None, whole: Found
    ) -> Transcription:
        """Return the result; `whole` has the alternatives to all of it, none of windows."""
        parts = parts.within(duration)
        in_windows = self.nbest > 1 and parts.tokens and not whole.alternatives
        segments = with_languages(parts.segments)
        language = vocabulary_language((t.id for t in parts.tokens), self.config.tokenizer)
        others = (
            (self._assembled(tokens).within(duration), score)
            for tokens, score in self._wanted(whole.alternatives)
        )
        return Transcription(
            text=parts.text,
            duration=duration,
            words=parts.words,
            segments=segments,
            tokens=parts.tokens,
            head=self.head,
            model=self.config.name,
            audio=audio,
            warnings=(NONE_OF_WINDOWS,) if in_windows else (),
            alternatives=tuple(Alternative(p.text, p.tokens, score) for p, score in others),
            language=language or main_language(segments) or self.prompting.language,
        )
