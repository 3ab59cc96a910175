"""A model that says where the time of a transcription goes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet.bench.pacing import Counted, Paced, Steps
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.transducer import Predictor
from parrotlet.model import Model
from parrotlet.recognition import Recognition
from parrotlet.results import Transcription


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one transcription, all and by stage, and what its decoder did."""

    seconds: float
    stages: dict[str, float]
    steps: Steps
    result: Transcription


class TimedModel(Model):
    """A model whose stages before decoding are timed by the runtime, and decoding here."""

    def __init__(
        self, path: str | os.PathLike[str], threads: int | None, paced: bool = False
    ) -> None:
        """Load a model as `load` does; with `paced`, a transducer decodes at speech's pace."""
        super().__init__(path, threads)
        self._clock = _Clock(paced)

    @property
    def isa(self) -> str:
        """Name of the kernel table."""
        return self._core.isa

    def context(self, right_context: int | None) -> tuple[int, int]:
        """Return the (left, right) attention context that `transcribe` takes."""
        return self._config.context(right_context)

    def time(
        self,
        samples: NDArray[np.float32],
        decoder: str | None = None,
        right_context: int | None = None,
        count: bool = False,
    ) -> Timing:
        """Transcribe; with `count`, the steps of a transducer are counted, which takes time."""
        steps = Steps()
        self._clock.steps = steps if count else None
        self._core.start_timing()
        start = time.perf_counter()
        result = self.transcribe(samples, decoder, right_context, window=float("inf"))
        seconds = time.perf_counter() - start
        stages = {**self._core.stop_timing(), "decoding": self._clock.seconds}
        stages["rest"] = max(0.0, seconds - sum(stages.values()))
        return Timing(seconds, stages, steps, result)

    def _recognition(self, decoder: str | None, right_context: int | None) -> Recognition:
        untimed = super()._recognition(decoder, right_context)
        return _TimedRecognition(**vars(untimed), clock=self._clock)


class _Clock:
    """What is measured of decoding.

    `paced` says that a transducer decodes at speech's pace; its steps are counted if there are
    `steps`.
    """

    def __init__(self, paced: bool) -> None:
        self.paced = paced
        self.steps: Steps | None = None
        self.seconds = 0.0


@dataclass(frozen=True)
class _TimedRecognition(Recognition):
    clock: _Clock

    def decode(self, encoded: NDArray[np.float32]) -> Sequence[Emission]:
        start = time.perf_counter()
        emissions = super().decode(encoded)
        self.clock.seconds = time.perf_counter() - start
        return emissions

    def start_predictor(self) -> Predictor:
        predictor = super().start_predictor()
        if self.clock.paced:
            config = self.config
            blank = len(config.tokenizer.pieces)
            predictor = Paced(predictor, blank, config.durations, config.frame_seconds)
        steps = self.clock.steps
        return predictor if steps is None else Counted(predictor, steps)
