"""Hypotheses of `malsd_batch` that fall behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parrotlet import _core
from parrotlet._core.sizes import SEARCH_FRAMES

MOST_LAG = SEARCH_FRAMES  # frames
MAX_SYMBOLS = 10
MODEL = "parakeet-rnnt-0.6b"


def slow_text(frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
    """A blank for certain at every frame, or token 0 as often as there may be one."""
    changed = np.full_like(logits, -np.inf)
    changed[-1] = 0
    if emitted or frame == 0:
        changed[0] = 0
    return changed


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize(
    ("frames", "texts"), [(MOST_LAG - 1, 2), (MOST_LAG * (MAX_SYMBOLS + 1) // MAX_SYMBOLS + 20, 1)]
)
def test_one_that_is_too_far_behind_is_dropped(
    converted: Callable[[str, str], Path], frames: int, texts: int, piece: int
) -> None:
    model = _core.Model(str(converted(MODEL, "f32")), 1)
    beam = _core.BeamOptions("malsd_batch", 2, score_norm=False)
    search = _core.Search(model, "rnnt", _core.SearchOptions(MAX_SYMBOLS, slow_text, beam=beam))
    encoded = np.zeros((frames, width(model)), np.float32)
    for first in range(0, frames, piece):
        search.feed(encoded[first : first + piece])
    assert search.finish() == []
    lengths = [len(rows) for rows, _ in search.alternatives()]
    assert len(lengths) == texts
    assert lengths[0] == 0
    assert all(length > frames for length in lengths[1:])


def width(model: _core.Model) -> int:
    """Columns of the frames of an encoder."""
    return model.encode(model.features(np.zeros(16_000, np.float32)), -1, -1).shape[1]
