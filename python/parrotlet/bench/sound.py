"""A signal that resembles speech."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERIOD = 12.0
"""Seconds after which the signal repeats."""

SYLLABLE = 0.22
"""Seconds."""

HARMONICS = 24
BANDWIDTH = 100.0  # of a formant, Hz


def speech_like(count: int, sample_rate: int) -> NDArray[np.float32]:
    """`count` samples, always the same: syllables of gliding vowels and of noise, and pauses.

    A vowel is a pitch and its harmonics, as loud as two formants (the resonances of a mouth) make
    them. It says nothing, but its spectrum moves as that of speech does.
    """
    rng = np.random.default_rng(0)
    n = round(PERIOD * sample_rate)
    syllables = np.arange(n) / (SYLLABLE * sample_rate)

    def glide(low: float, high: float) -> NDArray[np.float64]:
        targets = rng.uniform(low, high, int(syllables[-1]) + 2)
        return np.interp(syllables, np.arange(len(targets)), targets)

    pitch, first, second = glide(90, 180), glide(250, 850), glide(850, 2400)
    voiced, loudness = glide(-0.5, 1.5).clip(0, 1), glide(-0.3, 1).clip(0)
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    vowel = np.zeros(n)
    for harmonic in range(1, HARMONICS + 1):
        frequency = harmonic * pitch
        gain = 1 / (1 + ((frequency - first) / BANDWIDTH) ** 2)
        gain += 0.5 / (1 + ((frequency - second) / BANDWIDTH) ** 2)
        vowel += np.where(frequency < sample_rate / 2, gain, 0) * np.sin(harmonic * phase)
    noise = rng.standard_normal(n)
    signal = loudness * (voiced * vowel + (1 - voiced) * 0.3 * noise) + 0.002 * noise
    return np.resize((0.3 / np.abs(signal).max() * signal).astype(np.float32), count)
