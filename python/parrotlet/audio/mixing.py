"""Mixing channels to one, without cancelling what is said or making it faint."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from parrotlet.audio.findings import Findings
from parrotlet.samples import Samples

STEP_SECONDS = 0.25
"""How often is decided what is taken."""

MEMORY_SECONDS = 2.0
"""How long what has been heard counts."""

FAINT = 10 ** (-9.0 / 10)
"""The mean is left for the loudest channel if it has less than this part of its power.

Of two channels with one in use the mean has -6 dB, of three -9.5 dB, of six (5.1, in which speech
is in the centre) -15.6 dB.
"""

FULL = 10 ** (-7.0 / 10)
"""And taken again if it has more than this."""

LOUDER = 10 ** (3.0 / 10)
"""How much more than the chosen channel another one must have to be chosen."""

_HEARD = 5
"""Every so many samples are looked at for levels."""

_FADE_SECONDS = 0.01
_MEAN = -1


class Mixer:
    """Turns samples of several channels into those of one."""

    def __init__(self, channel: int | None, findings: Findings) -> None:
        """Take `channel`, from 1, or a mixture of all."""
        self._channel = channel
        self._findings = findings
        self._powers = np.zeros(0)
        self._mean_power = 0.0
        self._taken: int | None = None

    def __call__(self, samples: Samples, rate: int) -> Samples:
        """Return the samples [n] of one channel for those [channels, n] of several."""
        channels = len(samples)
        if channels == 1:
            only: Samples = samples[0]
            return only
        if self._channel is not None:
            if self._channel <= channels:
                chosen: Samples = samples[self._channel - 1]
                return chosen
            self._findings.note(f"has parts without channel {self._channel}: they are silent")
            return np.zeros(samples.shape[1], dtype=np.float32)
        mean = _mean(samples)
        if len(self._powers) != channels:
            self._powers, self._mean_power = np.zeros(channels), 0.0
            self._taken = None
        before = self._taken
        step = _HEARD * max(1, round(STEP_SECONDS * rate / _HEARD))
        taken = self._decide(samples, mean, step, rate)
        if before is None:
            before = taken[0]
        if before == _MEAN and not any(choice != _MEAN for choice in taken):
            return mean
        return _spliced(samples, mean, [before, *taken], step, round(_FADE_SECONDS * rate))

    def _decide(self, samples: Samples, mean: Samples, step: int, rate: int) -> list[int]:
        """Return what to take of each step: a channel, or the mean."""
        levels = _variances(samples, step)
        means = _variances(mean[None], step)[0]
        kept = math.exp(-step / (rate * MEMORY_SECONDS))
        taken = []
        for i, mean_level in enumerate(means):
            level = levels[:, i]
            if math.isfinite(mean_level) and np.isfinite(level).all():
                self._powers = kept * self._powers + level
                self._mean_power = kept * self._mean_power + float(mean_level)
            taken.append(self._choose())
        return taken

    def _choose(self) -> int:
        loudest = int(self._powers.argmax())
        most = float(self._powers[loudest])
        if self._taken in (None, _MEAN):
            self._taken = _MEAN
            if self._mean_power < FAINT * most:
                self._taken = loudest
                self._findings.note(
                    f"channels cancel or are silent: channel {loudest + 1} was taken where their "
                    "mean is far fainter"
                )
        elif self._mean_power > FULL * most:
            self._taken = _MEAN
        elif most > LOUDER * self._powers[self._taken]:
            self._taken = loudest
        return self._taken


def _mean(samples: Samples) -> Samples:
    total: Samples = samples[0] + samples[1]
    for row in samples[2:]:
        total += row
    total /= np.float32(len(samples))
    return total


def _variances(samples: Samples, step: int) -> NDArray[np.float64]:
    """Variance [channels, steps] of each step, without what is constant."""
    count = samples.shape[1]
    heard = np.ascontiguousarray(samples[:, ::_HEARD])
    size = step // _HEARD
    whole = heard.shape[1] // size
    parts = [heard[:, : whole * size].reshape(len(samples), whole, size)] if whole else []
    steps = -(-count // step)
    if steps > whole:
        parts.append(heard[:, None, min(whole * size, heard.shape[1] - 1) :])
    found = [part.var(axis=2, dtype=np.float64) * (part.shape[2] / size) for part in parts]
    return np.concatenate(found, axis=1)[:, :steps]


def _spliced(samples: Samples, mean: Samples, taken: list[int], step: int, fade: int) -> Samples:
    """Put together what was taken of each step; `taken[0]` is what was taken before."""
    result = mean.copy()
    for i, (before, now) in enumerate(pairwise(taken)):
        part = slice(i * step, min((i + 1) * step, len(mean)))
        source = mean if now == _MEAN else samples[now]
        result[part] = source[part]
        if before != now:
            former = mean if before == _MEAN else samples[before]
            edge = slice(part.start, min(part.start + fade, part.stop))
            share = np.linspace(0, 1, edge.stop - edge.start, dtype=np.float32)
            result[edge] = share * source[edge] + (1 - share) * former[edge]
    return result
