"""Cutting sound that arrives into what is spoken in one go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parrotlet.samples import Samples
from parrotlet.serve.live.activity import VoiceActivity


@dataclass(frozen=True, slots=True)
class Detection:
    """How turns are found: see `VoiceActivity`. A turn begins `prefix_seconds` before speech, and
    ends with the silence after it."""

    threshold: float = 0.5
    prefix_seconds: float = 0.3
    silence_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Started:
    """A turn begins at a position in samples from the start."""

    position: int


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples [n] of the turn that has begun."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Stopped:
    """The turn has ended at a position in samples from the start."""

    position: int


class Segmenter:
    """Finds turns in consecutive samples."""

    def __init__(self, detection: Detection, sample_rate: int, position: int = 0) -> None:
        """Begin in silence at `position`, in samples from the start."""
        self._detection = detection
        self._rate = sample_rate
        self.position = position
        """Samples taken so far, and those before the first."""
        self._begin()

    def _begin(self) -> None:
        detection, rate = self._detection, self._rate
        self._activity = VoiceActivity(detection.threshold, detection.silence_seconds, rate)
        self._origin = self.position
        self._kept = np.empty(0, np.float32)

    def feed(self, samples: Samples) -> Iterator[Started | Sound | Stopped]:
        """Take the next samples [n]; give what turns there are in them, in order.

        `end_turn` may be called between.
        """
        self.position += len(samples)
        self._kept = np.concatenate([self._kept, samples])
        for change in self._activity.feed(samples):
            position = self._origin + change.position
            if change.speaking:
                prefix = round(self._detection.prefix_seconds * self._rate)
                self._take(max(position - prefix, self._kept_from))
                yield Started(self._kept_from)
            else:
                yield Sound(self._take(position))
                yield Stopped(position)
        if self._activity.speaking:
            yield Sound(self._take(self.position))
        else:
            # Speech is noticed a little after its beginning.
            before = round((self._detection.prefix_seconds + 0.25) * self._rate)
            self._take(max(self.position - before, self._kept_from))

    def end_turn(self) -> None:
        """Take it that the turn ends here."""
        self._activity.rest()

    def clear(self) -> None:
        """Forget what was heard."""
        self._begin()

    @property
    def _kept_from(self) -> int:
        return self.position - len(self._kept)

    def _take(self, end: int) -> Samples:
        """Return what is kept up to a position, and keep what is after it."""
        count = end - self._kept_from
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken
