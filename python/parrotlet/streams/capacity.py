"""How many live streams a machine carries, judged by what its steps cost.

A step reads every weight once, whoever takes part, and computes for each encoder frame: it takes
a + b n seconds for n frames. Each stream brings f frames a second. Where steps follow each other,
N streams make them last T = a + b f N T, so T = a / (1 - b f N). A chunk waits for the step that is
running, and for its own: 2 T at most. Where the chunks of all streams come at once, one step takes
them all.

Where some streams have shorter chunks than others, longer ones fill a step only as far as lets the
shortest be in time, and what is due first goes first (`parrotlet/streams/worker.py`). A chunk then
waits for the step that is running, and for all that is due before it: for what streams with shorter
chunks bring meanwhile, and for the chunks of its own length (compare Liu and Layland, "Scheduling
Algorithms for Multiprogramming in a Hard-Real-Time Environment", 1973).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass

MARGIN = 0.9
"""Part of a chunk's length in which its text shall be there."""

_ROUNDING = 1e-9
"""A share that is larger by less than this is as large."""

_FORGET = 0.99
"""Weight of what was measured before a step, compared with the step."""


@dataclass(frozen=True)
class Behind:
    """The time from a chunk's last sample to its text, at most, and the chunk's length, in seconds.

    `seconds` are infinite where steps cannot keep up.
    """

    seconds: float
    chunk: float

    @property
    def share(self) -> float:
        """The time as a share of the length."""
        return self.seconds / self.chunk


@dataclass(frozen=True)
class StepCost:
    """Seconds that a step takes, and those for each encoder frame in it."""

    step: float
    frame: float

    def behind(self, chunks: Counter[int], frame_seconds: float) -> Behind:
        """Return how late the texts are of those streams whose texts are the latest for the length
        of their chunks. `chunks` counts streams by the encoder frames of their chunks.
        """
        sizes = sorted(chunks)
        shortest, longest = sizes[0], sizes[-1]
        load = self.frame * chunks.total() / frame_seconds
        if load >= 1:
            return Behind(math.inf, shortest * frame_seconds)
        following = self.step / (1 - load)
        at_once = self.step + self.frame * shortest * chunks[shortest]
        if shortest == longest:
            return Behind(max(2 * following, at_once), shortest * frame_seconds)
        together = sum(size * count for size, count in chunks.items())
        most = min(self.most_frames(shortest, frame_seconds), together)
        running = max(following, self.step + self.frame * max(most, longest))
        # As a chunk is not divided, a step that others wait for has at least so many frames.
        filled = max(most - longest + 1, longest, following * chunks.total() / frame_seconds)
        found = [Behind(max(2 * running, at_once), shortest * frame_seconds)]
        for size in sizes[1:]:
            before = sum((math.ceil(size / n) - 1) * n * chunks[n] for n in sizes if n < size)
            frames = before + size * chunks[size]
            seconds = running + frames * (self.step / filled + self.frame)
            found.append(Behind(seconds, size * frame_seconds))
        return max(found, key=lambda behind: behind.share)

    def carries(self, chunks: Counter[int], frame_seconds: float) -> bool:
        """Whether the text of every stream is there in time; arguments as of `behind`."""
        return self.behind(chunks, frame_seconds).share <= MARGIN + _ROUNDING

    def most_frames(self, chunk: int, frame_seconds: float) -> int:
        """Return how many frames longer chunks may fill a step with for chunks of `chunk` frames to
        be in time, each of which may just have missed a step."""
        due = MARGIN * chunk * frame_seconds
        return max(1, math.floor((due / 2 - self.step) / self.frame))

    def most_streams(self, chunks: Counter[int], frame_seconds: float) -> int:
        """Return how many streams it carries that are like those of `chunks`: with chunks as long,
        or where their lengths differ, these and others with the shortest."""
        shortest = min(chunks)
        due = MARGIN * shortest * frame_seconds
        following = (1 - 2 * self.step / due) * frame_seconds / self.frame
        at_once = (due - self.step) / (self.frame * shortest)
        alone = max(0, math.floor(min(following, at_once)))
        if len(chunks) == 1:
            return alone

        def too_many(more: int) -> bool:
            return not self.carries(chunks + Counter({shortest: more + 1}), frame_seconds)

        return chunks.total() + bisect_left(range(alone), True, key=too_many)


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
