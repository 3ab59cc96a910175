"""A recording to tokens in one call, against its stages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parrotlet import _core
from parrotlet.audio import read_audio


@pytest.fixture(scope="module")
def model(converted: Callable[[str, str], Path]) -> _core.Model:
    return _core.Model(str(converted("parakeet-tdt_ctc-110m", "q8_0")), 1)


@pytest.mark.parametrize("head", ["tdt", "ctc"])
def test_one_call_gives_what_its_stages_give(
    head: str, model: _core.Model, audio_dir: Path
) -> None:
    samples = read_audio(audio_dir / "clip01.wav", 16_000)
    options = _core.SearchOptions(10)
    encoded = model.encode(model.features(samples), -1, -1)
    search = _core.Search(model, head, options)
    settled, tentative = search.feed(encoded)
    rest = search.finish()
    assert rest == tentative
    rows, alternatives = _core.recognise(model, samples, -1, -1, head, options)
    assert rows == settled + rest
    assert alternatives == search.alternatives() == []
    assert len(rows) > 3


def test_options_keep_their_function_as_long_as_a_search_needs_it(model: _core.Model) -> None:
    def process(frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
        return logits

    before = sys.getrefcount(process)
    search = _core.Search(model, "tdt", _core.SearchOptions(10, process))
    assert sys.getrefcount(process) > before
    search.feed(np.zeros((2, model.metadata["conformer.embedding_length"]), np.float32))
    del search
    assert sys.getrefcount(process) == before


@pytest.mark.parametrize(
    ("samples", "right", "head", "message"),
    [
        (np.zeros(100, np.float32), -1, "tdt", "samples have no frames"),
        (np.zeros((2, 4000), np.float32), -1, "tdt", "samples must have 1 dimension"),
        (np.zeros(4000, np.float32), -2, "tdt", "an attention context is -1"),
        (np.zeros(4000, np.float32), -1, "rnnt", "the model has no head 'rnnt'"),
    ],
)
def test_refusals(
    samples: np.ndarray, right: int, head: str, message: str, model: _core.Model
) -> None:
    with pytest.raises(ValueError, match=message):
        _core.recognise(model, samples, -1, right, head, _core.SearchOptions(10))
