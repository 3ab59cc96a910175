"""Watching a transducer decode, and making one with random weights decode at the pace of speech.

What random weights emit is nothing at all, or as much as is allowed at every frame: neither takes
the time that speech takes. A paced predictor does all its work, and then answers on schedule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parrotlet.architectures.work import Steps
from parrotlet.decoding.transducer import Predictor

TOKENS_PER_SECOND = 3.5
"""What read English has with a vocabulary of about a thousand pieces."""

CERTAIN = 100.0  # a logit above all that a model gives


class Counted:
    """A predictor that counts its steps."""

    def __init__(self, predictor: Predictor, steps: Steps) -> None:
        """Add the steps of `predictor` to `steps`."""
        self._predictor = predictor
        self._steps = steps

    def update(self, token: int) -> None:
        """Advance the prediction network."""
        self._steps.predictor += 1
        self._predictor.update(token)

    def logits(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Joint output."""
        self._steps.joint += 1
        return self._predictor.logits(frame)


class Paced:
    """A predictor whose answers are replaced so that TOKENS_PER_SECOND come out.

    It keeps the time as `GreedyTransducer` does. Durations are the longest that do not reach past
    the next token, so that a TDT model skips frames, as it does in speech.
    """

    def __init__(
        self, predictor: Predictor, blank: int, durations: Sequence[int], frame_seconds: float
    ) -> None:
        """`blank` and `durations` are as for `GreedyTransducer`."""
        self._predictor = predictor
        self._blank = blank
        self._durations = tuple(durations)
        self._interval = 1 / (TOKENS_PER_SECOND * frame_seconds)
        self._time = 0
        self._emitted = 0

    def update(self, token: int) -> None:
        """Advance the prediction network."""
        self._predictor.update(token)

    def logits(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Joint output with the scheduled token, or the blank, above everything else."""
        logits = self._predictor.logits(frame)
        label = self._blank
        if self._time >= self._emitted * self._interval:
            label = self._emitted % self._blank
            self._emitted += 1
        skip = 0
        if self._durations:
            ahead = self._emitted * self._interval - self._time
            reach = [i for i, frames in enumerate(self._durations) if frames <= ahead]
            chosen = max(reach, key=self._durations.__getitem__, default=0)
            logits[self._blank + 1 + chosen] = CERTAIN
            skip = self._durations[chosen]
        self._time += max(skip, 1) if label == self._blank else skip
        logits[label] = CERTAIN
        return logits
