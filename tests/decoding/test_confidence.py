"""Confidence against NeMo's `max_prob`.

`data/confidence.json` holds, for every architecture, what NeMo 3.0 computed with
`ConfidenceConfig(preserve_word_confidence=True, method_cfg=ConfidenceMethodConfig(
name="max_prob"))`, otherwise defaults. NeMo has no word confidence for characters with CTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import parrotlet

DATA = Path(__file__).parents[1] / "data"
EXPECTED = json.loads((Path(__file__).parent / "data" / "confidence.json").read_text())


@pytest.mark.parametrize("architecture", sorted(EXPECTED))
def test_as_nemo(architecture: str, converted: Callable[[str, str], Path]) -> None:
    model = parrotlet.load(converted(architecture, "f32"), threads=1)
    for clip, heads in EXPECTED[architecture].items():
        for head, want in heads.items():
            decoder = "ctc" if head == "ctc" else "transducer"
            found = model.transcribe(DATA / "audio" / f"{clip}.wav", decoder=decoder)
            assert found.head == head
            assert [t.confidence for t in found.tokens] == pytest.approx(want["tokens"], abs=2e-5)
            if want["words"] is not None:
                assert [w.confidence for w in found.words] == pytest.approx(want["words"], abs=2e-5)
