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
        self._paced = paced
        self._steps: Steps | None = None
        self._decoding = 0.0

    @property
    def isa(self) -> str:
        """Name of the kernel table."""
        return self._core.isa

    def context(self, right_context: int | None) -> tuple[int, int]:
        """Return the (left, right) attention context that `transcribe` takes."""
        return self._context(right_context)

    def time(
        self,
        samples: NDArray[np.float32],
        decoder: str | None = None,
        right_context: int | None = None,
        count: bool = False,
    ) -> Timing:
        """Transcribe; with `count`, the steps of a transducer are counted, which takes time."""
        self._steps = Steps() if count else None
        self._core.start_timing()
        start = time.perf_counter()
        result = self.transcribe(samples, decoder, right_context, window=float("inf"))
        seconds = time.perf_counter() - start
        stages = {**self._core.stop_timing(), "decoding": self._decoding}
        stages["rest"] = max(0.0, seconds - sum(stages.values()))
        return Timing(seconds, stages, self._steps or Steps(), result)

    def _decode(self, encoded: NDArray[np.float32], head: str) -> Sequence[Emission]:
        start = time.perf_counter()
        emissions = super()._decode(encoded, head)
        self._decoding = time.perf_counter() - start
        return emissions

    def _start_predictor(self) -> Predictor:
        predictor = super()._start_predictor()
        if self._paced:
            durations = self._config.durations
            predictor = Paced(predictor, len(self.vocabulary), durations, self.frame_seconds)
        return predictor if self._steps is None else Counted(predictor, self._steps)
