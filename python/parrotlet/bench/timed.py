"""A model that says where the time of a transcription goes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet.architectures.work import Steps
from parrotlet.bench.pacing import Counted, Paced
from parrotlet.decoding.options import Decoding
from parrotlet.longform.limits import MIN_WINDOW_SECONDS, Windowing
from parrotlet.model import Model
from parrotlet.recognition import Process, Recognition
from parrotlet.results import Transcription


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one transcription, all and by stage, and what its search did."""

    seconds: float
    stages: dict[str, float]
    steps: Steps
    result: Transcription


class TimedModel(Model):
    """A model whose stages are timed by the runtime."""

    def __init__(
        self, path: str | os.PathLike[str], threads: int | None, paced: bool = False
    ) -> None:
        """Load a model as `load` does; with `paced`, a transducer decodes at speech's pace."""
        super().__init__(path, threads)
        self._paced = paced
        self._steps: Steps | None = None

    @property
    def isa(self) -> str:
        """Name of the kernel table."""
        return self._core.isa

    def context(
        self, right_context: int | None, attention_window: int | None = None
    ) -> tuple[int, int]:
        """Return the (left, right) attention context that `transcribe` takes."""
        return self._context(right_context, Windowing(attention_window=attention_window))

    def time(
        self,
        samples: NDArray[np.float32],
        decoding: Decoding | None = None,
        right_context: int | None = None,
        attention_window: int | None = None,
        count: bool = False,
    ) -> Timing:
        """Transcribe; with `count`, the steps of a transducer are counted, which takes time.

        Of a beam, steps of the predictor are only those of the text that comes out.
        """
        steps = Steps()
        self._steps = steps if count else None
        self._core.start_timing()
        # One pass, and no search for how much longer one might be.
        window = max(MIN_WINDOW_SECONDS, len(samples) / self.sample_rate)
        start = time.perf_counter()
        result = self.transcribe(
            samples,
            right_context=right_context,
            window=window,
            attention_window=attention_window,
            decoding=decoding,
        )
        seconds = time.perf_counter() - start
        stages = self._core.stop_timing()
        stages["rest"] = max(0.0, seconds - sum(stages.values()))
        if count and result.head != "ctc":
            steps.predictor = len(result.tokens)
        return Timing(seconds, stages, steps, result)

    def _recognition(
        self, decoding: Decoding, context: tuple[int, int], language: str | None = None
    ) -> Recognition:
        untimed = super()._recognition(decoding, context, language)
        return _TimedRecognition(**vars(untimed), paced=self._paced, steps=self._steps)


@dataclass(frozen=True)
class _TimedRecognition(Recognition):
    """`paced` says that a transducer decodes at speech's pace; `steps` count the joint's steps."""

    paced: bool = False
    steps: Steps | None = None

    def logits_processor(self) -> Process | None:
        config = self.config
        process: Process | None = None
        if self.paced:
            blank = len(config.tokenizer.pieces)
            process = Paced(blank, config.durations, config.frame_seconds)
        if self.steps is not None:
            process = Counted(self.steps, process)
        return process
