"""Watching a transducer decode, and making one with random weights decode at the pace of speech.

Random weights emit nothing at all, or as much as is allowed at every frame. Neither takes the time
that speech takes. A paced transducer does all its work, and then answers on schedule.

A beam asks for each of its hypotheses, which has a frame and tokens of its own. Beside the answer
on schedule there are others that are less probable, so that hypotheses come to differ as they do in
speech: in a token, in where it begins, and in durations.
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

RIVAL = 3.0  # how much less the logit of another answer is, or of a duration one frame off


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
        """Raise the scheduled token, or the blank, and below it its rivals, above all else."""
        token, following = emitted % self._blank, (emitted + 1) % self._blank
        labels = [self._blank]
        if frame >= emitted * self._interval:
            labels = [token, self._blank, following]
            emitted += 1
        elif frame >= (emitted - 1) * self._interval:  # none is more than one token ahead
            labels = [self._blank, token]
        if self._durations:
            ahead = emitted * self._interval - frame
            reach = [frames for frames in self._durations if frames <= ahead]
            chosen = max(reach, default=self._durations[0])
            for i, frames in enumerate(self._durations, self._blank + 1):
                logits[i] = CERTAIN - RIVAL * abs(frames - chosen)
        for i, label in enumerate(labels):
            logits[label] = CERTAIN - RIVAL * i
        return logits
