"""Confidence against NeMo's `max_prob`.

`data/confidence.json` holds, for every architecture, what NeMo 3.0 computed with
`ConfidenceConfig(preserve_word_confidence=True, method_cfg=ConfidenceMethodConfig(
name="max_prob"))`, otherwise defaults. NeMo has no word confidence for characters with CTC.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet.decoding.confidence import log_softmax_max, max_prob

DATA = Path(__file__).parents[1] / "data"
EXPECTED = json.loads((Path(__file__).parent / "data" / "confidence.json").read_text())


@pytest.mark.parametrize("alpha", [0.33, 1.0])
def test_range(alpha: float) -> None:
    assert max_prob(math.log(1 / 1025), 1025, alpha) == pytest.approx(0, abs=1e-9)
    assert max_prob(0.0, 1025, alpha) == pytest.approx(1)
    assert max_prob(1e-7, 1025, alpha) == 1.0
    assert max_prob(math.nan, 1025, alpha) == 0.0


def test_without_scaling_it_is_the_normalised_probability() -> None:
    assert max_prob(math.log(0.6), 5, alpha=1) == pytest.approx((0.6 * 5 - 1) / 4)


def test_log_softmax_max() -> None:
    logits = np.array([1.0, 3.0, 2.0], dtype=np.float32)
    assert log_softmax_max(logits) == pytest.approx(3 - math.log(np.exp(logits).sum()), abs=1e-6)
    assert log_softmax_max(logits * 1000) == pytest.approx(0)


@pytest.mark.parametrize("architecture", sorted(EXPECTED))
def test_as_nemo(architecture: str, converted: Callable[[str, str], Path]) -> None:
    model = parrotlet.load(converted(architecture, "f32"), threads=1)
    for clip, heads in EXPECTED[architecture].items():
        for head, want in heads.items():
            decoder = "ctc" if head == "ctc" else "transducer"
            found = model.transcribe(DATA / "audio" / f"{clip}.wav", decoder=decoder)
            assert found.decoder == head
            assert [t.confidence for t in found.tokens] == pytest.approx(want["tokens"], abs=2e-5)
            if want["words"] is not None:
                assert [w.confidence for w in found.words] == pytest.approx(want["words"], abs=2e-5)
