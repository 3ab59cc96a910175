"""Watching a transducer decode, and making one with random weights decode at the pace of speech.

Random weights emit nothing at all, or as much as is allowed at every frame. Neither takes the time
that speech takes. A paced transducer does all its work, and then answers on schedule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parrotlet.architectures.work import Steps
from parrotlet.recognition import Process

TOKENS_PER_SECOND = 3.5
"""What read English has with a vocabulary of about a thousand pieces."""

CERTAIN = 100.0  # a logit above all that a model gives


class Counted:
    """Counts the steps of a joint."""

    def __init__(self, steps: Steps, process: Process | None = None) -> None:
        """Add to `steps`, and do what `process` does."""
        self._steps = steps
        self._process = process

    def __call__(
        self, frame: int, emitted: int, logits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Count one."""
        self._steps.joint += 1
        return logits if self._process is None else self._process(frame, emitted, logits)


class Paced:
    """Replaces a joint's answers so that TOKENS_PER_SECOND come out.

    Durations are the longest that do not reach past the next token, so that a TDT model skips
    frames, as it does in speech.
    """

    def __init__(self, blank: int, durations: Sequence[int], frame_seconds: float) -> None:
        """`blank` is the last label, and `durations` the frames that each output after it means."""
        self._blank = blank
        self._durations = tuple(durations)
        self._interval = 1 / (TOKENS_PER_SECOND * frame_seconds)

    def __call__(
        self, frame: int, emitted: int, logits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Raise the scheduled token, or the blank, above everything else."""
        label = self._blank
        if frame >= emitted * self._interval:
            label = emitted % self._blank
            emitted += 1
        if self._durations:
            ahead = emitted * self._interval - frame
            reach = [i for i, frames in enumerate(self._durations) if frames <= ahead]
            chosen = max(reach, key=self._durations.__getitem__, default=0)
            logits[self._blank + 1 + chosen] = CERTAIN
        logits[label] = CERTAIN
        return logits
