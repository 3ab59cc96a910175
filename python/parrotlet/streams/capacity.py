"""How many live streams a machine carries, judged by what its steps cost.

A step reads every weight once, whoever takes part, and computes for each encoder frame: it takes
a + b n seconds for n frames. Each stream brings f frames a second. Where steps follow each other,
N streams make them last T = a + b f N T, so T = a / (1 - b f N). A chunk waits for the step that is
running, and for its own: 2 T at most. Where the chunks of all streams come at once, one step takes
them all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MARGIN = 0.9
"""Part of the shortest chunk's length in which all texts shall be there."""

_FORGET = 0.99
"""Weight of what was measured before a step, compared with the step."""


@dataclass(frozen=True)
class StepCost:
    """Seconds that a step takes, and those for each encoder frame in it."""

    step: float
    frame: float

    def seconds_behind(self, chunks: Sequence[int], frame_seconds: float) -> float:
        """Return the time from a chunk's last sample to its text, at most, in seconds.

        There is a stream for each of `chunks`, the encoder frames of its chunks. The result is
        infinite where steps cannot keep up.
        """
        load = self.frame * len(chunks) / frame_seconds
        if load >= 1:
            return math.inf
        return max(2 * self.step / (1 - load), self.step + self.frame * sum(chunks))

    def carries(self, chunks: Sequence[int], frame_seconds: float) -> bool:
        """Whether the text of every stream is there in time."""
        due = MARGIN * min(chunks, default=1) * frame_seconds
        return self.seconds_behind(chunks, frame_seconds) <= due

    def most_frames(self, chunk: int, frame_seconds: float) -> int:
        """Return how many frames a step may have for chunks of `chunk` of them to be in time, each
        of which may just have missed a step."""
        due = MARGIN * chunk * frame_seconds
        return max(1, math.floor((due / 2 - self.step) / self.frame))

    def most_streams(self, chunk: int, frame_seconds: float) -> int:
        """Return how many streams with chunks of so many encoder frames it carries."""
        due = MARGIN * chunk * frame_seconds
        following = (1 - 2 * self.step / due) * frame_seconds / self.frame
        at_once = (due - self.step) / (self.frame * chunk)
        return max(0, math.floor(min(following, at_once)))


class CostEstimate:
    """The line through what steps have taken, by least squares, the latest counting most."""

    def __init__(self) -> None:
        """Start without a step."""
        self._sums = [0.0] * 5  # of 1, frames, seconds, frames squared, frames * seconds

    def add(self, frames: int, seconds: float) -> None:
        """Take the measurement of a step."""
        terms = (1.0, frames, seconds, frames**2, frames * seconds)
        self._sums = [_FORGET * old + new for old, new in zip(self._sums, terms, strict=True)]

    def cost(self) -> StepCost | None:
        """Return the line, or None before there were steps of different sizes."""
        weight, frames, seconds, squares, products = self._sums
        spread = weight * squares - frames**2
        if spread <= 1e-9 * weight * squares:
            return None
        slope = max((weight * products - frames * seconds) / spread, 1e-9)
        return StepCost(max(0.0, (seconds - slope * frames) / weight), slope)
