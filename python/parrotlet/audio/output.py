"""The last step of reading: values that are sound, at the rate that is wanted."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from parrotlet.audio.findings import Findings
from parrotlet.audio.resampling import Resampler
from parrotlet.errors import LengthError
from parrotlet.samples import LOUDEST, Samples, are_sound, check_finite

MIN_JOINED = 1.0
"""Seconds that a recording has to last before another one is taken to be joined to it."""


def check_seconds(seconds: float, max_seconds: float, name: str) -> None:
    """Raise LengthError for a recording, or what has been read of it, that is too long."""
    if seconds > max_seconds:
        raise LengthError(f"{name}: is longer than {max_seconds:g} s; pass it in parts")


class Output:
    """Gives mono samples at one rate, whatever the rates of what comes in."""

    def __init__(
        self, sample_rate: int, name: str, findings: Findings, max_seconds: float = math.inf
    ) -> None:
        """Give them at `sample_rate` Hz; raises LengthError where they are too many."""
        self.count = 0
        """Samples that came in."""
        self.joins: list[int] = []
        """Positions, among the samples given, of what was joined to what came before."""
        self._sample_rate = sample_rate
        self._max_seconds = max_seconds
        self._name = name
        self._findings = findings
        self._given = 0
        self._seconds = 0.0
        self._rate = 0
        self._resample: Resampler | None = None

    def sound(self, samples: Samples, rate: int, bounded: bool, stored: bool) -> Iterator[Samples]:
        """Convert samples [n] at `rate` Hz; `stored` says that the file has them as floats.

        Raises AudioError for stored values that are no sound. What a decoder makes of damaged
        bytes becomes silence. Those that are `bounded` cannot be wrong.
        """
        if self._resample is None or rate != self._rate:
            yield from self._finished()
            self._rate, self._resample = rate, Resampler(rate, self._sample_rate)
        if not bounded:
            samples = self._checked(samples, stored)
        self.count += len(samples)
        self._seconds += len(samples) / rate
        yield self._counted(self._resample(samples))

    def silence(self, seconds: float) -> Iterator[Samples]:
        """Give silence, up to where it ends."""
        yield from self._finished()
        self._seconds += seconds
        left = round(self._seconds * self._sample_rate) - self._given
        while left > 0:
            count = min(left, self._sample_rate)
            yield self._counted(np.zeros(count, dtype=np.float32))
            left -= count

    def join(self) -> Iterator[Samples]:
        """Begin another recording; one of less than `MIN_JOINED` seconds is a fault of this one."""
        yield from self._finished()
        before = self.joins[-1] if self.joins else 0
        if self._given - before >= MIN_JOINED * self._sample_rate:
            self.joins.append(self._given)

    def end(self) -> Samples:
        """Give what is left in the filter."""
        return np.concatenate([np.empty(0, dtype=np.float32), *self._finished()])

    def _finished(self) -> Iterator[Samples]:
        if self._resample is not None:
            yield self._counted(self._resample(np.empty(0, dtype=np.float32), last=True))
            self._resample = None

    def _counted(self, samples: Samples) -> Samples:
        self._given += len(samples)
        check_seconds(self._given / self._sample_rate, self._max_seconds, self._name)
        return samples

    def _checked(self, samples: Samples, stored: bool) -> Samples:
        if are_sound(samples):
            return samples
        wrong = ~(np.abs(samples) <= LOUDEST)  # NaN as well
        if not stored:
            begin = self._seconds + int(wrong.argmax()) / self._rate
            end = self._seconds + (len(wrong) - int(wrong[::-1].argmax())) / self._rate
            self._findings.damaged(begin, end)
            return np.where(wrong, np.float32(0), samples)
        check_finite(samples, self._name, self.count)
        return samples
