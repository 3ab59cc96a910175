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
from parrotlet.decoding.ctc import GreedyCtc
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.transcript import Transcript
from parrotlet.decoding.transducer import GreedyTransducer, Predictor
from parrotlet.errors import AudioError
from parrotlet.longform.assembly import Assembler
from parrotlet.longform.limits import WindowMemory, parse_bytes, plan
from parrotlet.model_config import ModelConfig
from parrotlet.results import Transcription
from parrotlet.streaming import Decode, Stream

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

    `head` is one of `config.heads`, `context` the (left, right) attention context.
    """

    core: _core.Model
    config: ModelConfig
    memory: WindowMemory
    head: str
    context: tuple[int, int]

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
        features = [
            self.core.features(samples)
            for samples, skipped in zip(recordings, silent, strict=True)
            if not skipped
        ]
        encoded = iter(self.core.encode_many(features, *self.context) if features else [])
        return [[] if skipped else self.decode(next(encoded)) for skipped in silent]

    def decode(self, encoded: NDArray[np.float32]) -> Sequence[Emission]:
        """Return the tokens of encoder output [frames, d_model]."""
        return self._start_decoder()(encoded)

    def stream(self) -> Stream:
        """Start a stream, for models that can."""
        config = self.config
        encoder = _core.Stream(self.core, *self.context)

        def start() -> tuple[Decode, Transcript]:
            transcript = Transcript(self.head, config.tokenizer, config.frame_seconds)
            return self._start_decoder(), transcript

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

    def start_predictor(self) -> Predictor:
        """Return the prediction network in its first state."""
        return self.core.predictor()

    def _start_decoder(self) -> Decode:
        """Return a greedy decoder of encoder output that keeps its state from call to call."""
        config = self.config
        blank = len(config.tokenizer.pieces)
        if self.head == "ctc":
            ctc = GreedyCtc(blank)
            return lambda encoded: ctc.decode(self.core.ctc_log_probs(encoded))
        durations = config.durations if self.head == "tdt" else ()
        transducer = GreedyTransducer(self.start_predictor(), blank, durations, config.max_symbols)
        return lambda encoded: transducer.decode(self.core.project_encoder(encoded))

    def _transcription(self, parts: Parts, duration: float, audio: str | None) -> Transcription:
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
