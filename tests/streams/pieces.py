"""Samples in pieces, as a microphone or a network might deliver them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

SIZES = (1, 160, 1280, 5000, 40_000)


def pieces(samples: np.ndarray, source: random.Random) -> Iterator[np.ndarray]:
    """All of the samples, in pieces of drawn lengths."""
    start = 0
    while start < len(samples):
        size = source.choice(SIZES[2:] if len(samples) > 5000 else SIZES)
        yield samples[start : start + size]
        start += size
