"""Confidences back to probabilities."""

from __future__ import annotations

import math

_ALPHA = 0.33
"""NeMo's ConfidenceMethodConfig.alpha, as in `csrc/decoding/confidence.cpp`."""

_LEAST = 1e-30


def log_prob(confidence: float, classes: int) -> float:
    """Return the natural logarithm of the probability that a token's `confidence` stands for.

    `classes` are the entries of the vocabulary and the blank. The confidence is NeMo's `max_prob`,
    (p^a N^a - 1) / (N^a - 1) with a = 0.33. One of 0 also stands for what is less likely
    than 1 / N.
    """
    scaled = confidence * (classes**_ALPHA - 1.0) + 1.0
    return min(0.0, math.log(max(scaled, _LEAST)) / _ALPHA - math.log(classes))
