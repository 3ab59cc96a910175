"""Confidence of words from that of their tokens, which searches give.

Source: NeMo `nemo.collections.asr.parts.utils.asr_confidence_utils`, `ConfidenceConfig` with its
defaults (aggregation "min").
"""

from __future__ import annotations

from collections.abc import Sequence


def aggregate(confidences: Sequence[float]) -> float:
    """Confidence of a group of predictions: the lowest."""
    return min(confidences)
