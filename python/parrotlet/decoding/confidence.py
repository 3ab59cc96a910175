"""Confidence of emitted tokens and of words.

Source: NeMo `nemo.collections.asr.parts.utils.asr_confidence_utils`, `ConfidenceMethodConfig`
with `name="max_prob"` and `ConfidenceConfig` with its defaults (aggregation "min", blanks and
durations left out).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.33
"""NeMo's default exponent (`ConfidenceMethodConfig.alpha`); 1 would mean no scaling."""


def max_prob(log_prob: float, classes: int, alpha: float = ALPHA) -> float:
    """Confidence of a prediction from the log-probability of its best class.

    (p^alpha N^alpha - 1) / (N^alpha - 1): 0 when all N classes, blank included, are equally
    likely, and 1 when the best is certain.
    """
    if classes < 2:
        return 1.0
    scale = math.pow(classes, alpha)
    value = (math.exp(log_prob * alpha) * scale - 1.0) / (scale - 1.0)
    # Rounding in the softmax can leave the interval by an ulp.
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0


def log_softmax_max(logits: NDArray[np.float32]) -> float:
    """Log-probability of the largest of `logits` [classes]."""
    values = logits.astype(np.float64)
    return -math.log(float(np.exp(values - values.max()).sum()))


def aggregate(confidences: Sequence[float]) -> float:
    """Confidence of a group of predictions: the lowest."""
    return min(confidences)
