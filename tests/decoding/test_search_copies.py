"""Copies of running searches, which go on by themselves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from parrotlet import _core
from parrotlet.audio import read_audio

HEADS = {
    "ctc": "parakeet-tdt_ctc-110m",
    "tdt": "parakeet-tdt_ctc-110m",
    "rnnt": "parakeet-rnnt-0.6b",
}


@pytest.fixture(params=HEADS)
def start(request: pytest.FixtureRequest, converted: Callable[[str, str], Path]):
    """`start()`: a search over a head, at its first frame; `start.model`: what the head is of."""
    model = _core.Model(str(converted(HEADS[request.param], "f32")), 2)

    def start() -> _core.Search:
        return _core.Search(model, request.param, _core.SearchOptions(10))

    start.model = model
    return start


@pytest.fixture
def recordings(start, audio_dir: Path) -> list[np.ndarray]:
    """Encoder frames of two recordings."""
    samples = (read_audio(audio_dir / f"{name}.wav", 16_000) for name in ("clip01", "clip06"))
    return [start.model.encode(start.model.features(s), -1, -1) for s in samples]


def rest(search: _core.Search, encoded: np.ndarray) -> list:
    return [search.feed(encoded), search.finish()]


def test_a_copy_and_its_original_go_on_by_themselves(start, recordings: list[np.ndarray]) -> None:
    one, other = recordings
    found = 0
    for split in range(0, len(one), 3):
        original = start()
        original.feed(one[:split])
        copy = original.copy()
        copy_of_copy = copy.copy()
        # As if there were no other: what it would find without the copy, and vice versa.
        expected = []
        for frames in (one[split:], other, other[5:]):
            alone = start()
            alone.feed(one[:split])
            expected.append(rest(alone, frames))
        # Taken in turn, piece by piece.
        given = (original, one[split:]), (copy, other)
        settled: list[list] = [[], []]
        for first in range(0, max(len(frames) for _, frames in given), 7):
            for (search, frames), rows in zip(given, settled, strict=True):
                rows += search.feed(frames[first : first + 7])[0]
        for (search, _), rows, whole in zip(given, settled, expected, strict=False):
            assert rows + search.finish() == whole[0][0] + whole[1]
        del original, copy
        assert rest(copy_of_copy, other[5:]) == expected[2]
        found += len(expected[0][0][0])
    assert found > 3


def test_copies_in_several_threads(start, recordings: list[np.ndarray]) -> None:
    encoded = recordings[0]
    search = start()
    search.feed(encoded[:9])
    copies = [search.copy() for _ in range(8)]
    expected = rest(search, encoded[9:])
    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(rest, copies, [encoded[9:]] * 8))


def test_a_copy_outlives_its_model(start, recordings: list[np.ndarray]) -> None:
    search = start()
    assert not search.revises
    expected = rest(search.copy(), recordings[0])
    copy = search.copy()
    del search, start.model
    assert rest(copy, recordings[0]) == expected


def test_a_copy_keeps_the_function_of_its_options(transducer) -> None:
    calls = []

    def process(frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
        calls.append((frame, emitted))
        return logits

    model = transducer(())
    search = _core.Search(model, "rnnt", _core.SearchOptions(1, process))
    width = model.metadata["conformer.embedding_length"]
    search.feed(np.zeros((1, width), np.float32))
    copy = search.copy()
    del search
    before = len(calls)
    copy.feed(np.zeros((1, width), np.float32))
    assert calls[before][0] == 1


def test_a_finished_search_is_not_copied() -> None:
    search = _core.Search.of_log_probs(4)
    search.finish()
    with pytest.raises(ValueError, match="the search is finished"):
        search.copy()
