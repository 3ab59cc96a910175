"""Hearing where somebody speaks, by the level of the sound, while it arrives.

A hop (`parrotlet.levels`) is active if it is louder than the noise, and not part of a stretch as
steady as no speech is. The level of noise is the 10th percentile of the last seconds, as in
`longform.pauses`, here without knowing what comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parrotlet.levels import HOP, decibels, measure
from parrotlet.longform.pauses import CLEAR_RANGE, STEADY_HOPS, STEADY_RANGE
from parrotlet.samples import Samples

NOISE = (-70.0, -40.0)
"""Decibels of full scale between which the level of noise is taken to be."""

NOISE_AT_FIRST = -60.0

_REMEMBERED = 300
"""Hops that the level of noise is found from: three seconds at 16 kHz."""

_NOISE_EVERY = 10
"""Hops after which it is found anew."""

_LOOK = 10
_ENOUGH = 6
"""Active hops, among the last `_LOOK`, with which speech has begun: a click is shorter."""

_HOLD = 0.6
"""Part of the range above noise that is enough for speech to go on."""


@dataclass(frozen=True, slots=True)
class Change:
    """Speech has begun (`speaking`) or ended at a position in samples from the start."""

    speaking: bool
    position: int


class VoiceActivity:
    """Finds where speech begins and ends in consecutive samples."""

    def __init__(self, threshold: float, silence_seconds: float, sample_rate: int) -> None:
        """Begin in silence.

        `threshold`, from 0 to 1, says how much louder than noise speech is: 0.5 stands for
        `CLEAR_RANGE`. Speech ends after `silence_seconds` without it.
        """
        self._range = max(2 * CLEAR_RANGE * threshold, 3.0)
        self._silence = max(1, round(silence_seconds * sample_rate / HOP))
        self._rest = np.empty(0, np.float32)
        self._hops = 0
        self._levels = deque([NOISE_AT_FIRST] * _REMEMBERED, _REMEMBERED)
        self._steady: deque[float] = deque(maxlen=STEADY_HOPS)
        self._recent: deque[bool] = deque(maxlen=_LOOK)
        self._noise = NOISE_AT_FIRST
        self._speaking = False
        self._last_active = 0

    @property
    def speaking(self) -> bool:
        """Whether speech has begun and not ended."""
        return self._speaking

    def feed(self, samples: Samples) -> Iterator[Change]:
        """Take the next samples [n]; give the changes in them, in order."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // HOP
        self._rest = samples[whole * HOP :]
        if whole:
            power, _ = measure(samples[: whole * HOP].reshape(-1, HOP))
            for level in decibels(power).tolist():
                yield from self._hear(level)

    def rest(self) -> None:
        """Take it that speech has ended here, whatever the level is."""
        self._speaking = False
        self._recent.clear()

    def _hear(self, level: float) -> Iterator[Change]:
        self._hops += 1
        self._levels.append(level)
        self._steady.append(level)
        if self._hops % _NOISE_EVERY == 0:
            tenth = _REMEMBERED // 10
            self._noise = float(np.clip(np.partition(self._levels, tenth)[tenth], *NOISE))
        range = self._range * (_HOLD if self._speaking else 1.0)
        active = level >= self._noise + range and not self._is_steady()
        self._recent.append(active)
        if active:
            self._last_active = self._hops
        if self._speaking:
            if self._hops - self._last_active >= self._silence:
                self.rest()
                yield Change(False, self._hops * HOP)
        elif sum(self._recent) >= _ENOUGH:
            self._speaking = True
            first = self._hops - len(self._recent) + list(self._recent).index(True)
            yield Change(True, first * HOP)

    def _is_steady(self) -> bool:
        known = self._steady
        return len(known) == STEADY_HOPS and max(known) - min(known) <= STEADY_RANGE
