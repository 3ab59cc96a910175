"""How a group of live streams is doing."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from parrotlet.streams.worker import Step

_STEPS, _CHUNKS = 1000, 4000
"""Of which the latest are remembered."""


@dataclass(frozen=True)
class GroupStats:
    """A group of streams: now, and over its last 1,000 steps and 4,000 chunks at most.

    `streams` are open, of `max_streams`; that is None while it is neither given nor known. Of all
    `chunks` so far, `chunks_per_step` shared a pass over the weights. `milliseconds_behind` and
    `milliseconds_behind_99` are the median and the 99th percentile of the time from a chunk's last
    sample to its text. `busy` is the share of time in which a step was running. All are 0 before
    the first chunk.
    """

    streams: int
    max_streams: int | None
    chunks: int
    chunks_per_step: float
    milliseconds_behind: float
    milliseconds_behind_99: float
    busy: float


class Record:
    """The latest steps of a group."""

    def __init__(self) -> None:
        """Start without a step."""
        self._chunks = 0
        self._steps: deque[tuple[float, float, int]] = deque(maxlen=_STEPS)
        self._behind: deque[float] = deque(maxlen=_CHUNKS)

    def add(self, step: Step) -> None:
        """Take a step in which at least one chunk became complete."""
        done = [job for job, frames in zip(step.jobs, step.frames, strict=True) if frames]
        self._chunks += len(done)
        self._steps.append((step.began, step.ended, len(done)))
        self._behind.extend(step.ended - job.submitted for job in done)

    def stats(self, streams: int, max_streams: int | None) -> GroupStats:
        """Return the figures of all steps that are remembered."""
        if not self._steps:
            return GroupStats(streams, max_streams, 0, 0.0, 0.0, 0.0, 0.0)
        busy = sum(ended - began for began, ended, _ in self._steps)
        passed = max(time.monotonic() - self._steps[0][0], 1e-9)
        median, late = np.percentile(self._behind, (50, 99)) * 1e3
        return GroupStats(
            streams,
            max_streams,
            self._chunks,
            sum(chunks for *_, chunks in self._steps) / len(self._steps),
            float(median),
            float(late),
            min(1.0, busy / passed),
        )
