"""Greedy CTC on scripted log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from parrotlet import _core
from parrotlet.decoding.emission import Emission

BLANK = 3
LABELS = BLANK + 1


def log_probs(labels: Sequence[int], probabilities: Sequence[float] | None = None) -> np.ndarray:
    """Frames whose best label is given, with its probability (default 0.7)."""
    rows = np.empty((len(labels), LABELS), dtype=np.float32)
    for row, label, p in zip(rows, labels, probabilities or [0.7] * len(labels), strict=True):
        row[:] = math.log((1 - p) / BLANK)
        row[label] = math.log(p)
    return rows


def max_prob(log_prob: float, classes: int = LABELS) -> float:
    """NeMo's formula, with its alpha."""
    scale = classes**0.33
    return (math.exp(log_prob * 0.33) * scale - 1) / (scale - 1)


def decode(*pieces: np.ndarray) -> list[Emission]:
    """All tokens of consecutive pieces."""
    search = _core.Search.of_log_probs(LABELS)
    settled = [row for piece in pieces for row in search.feed(piece)[0]]
    return [Emission(*row) for row in [*settled, *search.finish()]]


def tokens_and_frames(emissions: list[Emission]) -> list[tuple[int, int]]:
    return [(e.token, e.frame) for e in emissions]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], []),
        ([3, 3, 3], []),
        ([1, 1, 1], [(1, 0)]),
        ([3, 1, 1, 2, 2, 3], [(1, 1), (2, 3)]),
        ([1, 3, 1], [(1, 0), (1, 2)]),
        ([0, 1, 0], [(0, 0), (1, 1), (0, 2)]),
    ],
)
def test_collapse(labels: list[int], expected: list[tuple[int, int]]) -> None:
    assert tokens_and_frames(decode(log_probs(labels))) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pieces_give_what_the_whole_gives(size: int) -> None:
    labels = [3, 1, 1, 1, 3, 1, 2, 2, 3, 3, 0, 0]
    frames = log_probs(labels, [0.9 - 0.04 * i for i in range(len(labels))])
    whole = decode(frames)
    assert decode(*(frames[i : i + size] for i in range(0, len(frames), size))) == whole


def test_long_pieces() -> None:
    """Longer than what a search takes at a time, with a run of frames across the border."""
    count = 2 * _core.sizes.SEARCH_FRAMES + 1
    labels = [(i // 5) % LABELS for i in range(count)]
    starts = [i for i in range(0, count, 5) if labels[i] != BLANK]
    assert _core.sizes.SEARCH_FRAMES % 5
    found = decode(log_probs(labels))
    assert tokens_and_frames(found) == [(labels[start], start) for start in starts]


def test_an_empty_piece_changes_nothing() -> None:
    search = _core.Search.of_log_probs(LABELS)
    found = search.feed(log_probs([1]))
    assert search.feed(log_probs([])) == found
    assert [row[:2] for row in found[1]] == [(1, 0)]
    assert search.feed(log_probs([1])) == found


def test_the_last_token_is_tentative_while_its_frames_go_on() -> None:
    search = _core.Search.of_log_probs(LABELS)
    seen = []
    for label, p in [(1, 0.9), (1, 0.6), (1, 0.8), (2, 0.7), (3, 0.9), (1, 0.9)]:
        settled, tentative = search.feed(log_probs([label], [p]))
        seen.append((settled, tentative))
    one, lower, two, later = (
        (token, frame, None, pytest.approx(max_prob(math.log(p)), abs=1e-6))
        for token, frame, p in [(1, 0, 0.9), (1, 0, 0.6), (2, 3, 0.7), (1, 5, 0.9)]
    )
    assert seen == [
        ([], [one]),
        ([], [lower]),
        ([], [lower]),
        ([lower], [two]),
        ([two], []),
        ([], [later]),
    ]
    assert search.finish() == [later]


def test_confidence_is_the_lowest_of_the_run() -> None:
    frames = log_probs([1, 1, 1], [0.9, 0.6, 0.8])
    (emission,) = decode(frames)
    assert emission.confidence == pytest.approx(max_prob(float(frames[1, 1])), abs=1e-12)
    assert emission.duration is None


@pytest.mark.parametrize(
    ("log_prob", "expected"),
    [(-math.log(LABELS), 0.0), (0.0, 1.0), (1e-7, 1.0), (math.nan, 0.0)],
)
def test_range_of_confidence(log_prob: float, expected: float) -> None:
    frames = np.full((1, LABELS), log_prob, np.float32)
    frames[0, 1:] -= 1e-6
    (emission,) = decode(frames)
    assert emission.token == 0
    assert emission.confidence == pytest.approx(expected, abs=1e-6)
    assert 0 <= emission.confidence <= 1


@pytest.mark.parametrize("labels", [1, 2, 15, 16, 17, 100])
def test_the_best_label_is_the_first_of_the_largest(
    labels: int,
) -> None:
    """Of as many as vectors hold, of more and of fewer."""
    frames = np.random.default_rng(labels).integers(-3, 1, (400, labels)).astype(np.float32)
    search = _core.Search.of_log_probs(labels)
    rows = search.feed(frames)[0] + search.finish()
    best = frames.argmax(axis=1)
    begins = np.diff(best, prepend=labels - 1) != 0
    starts = np.flatnonzero(begins & (best != labels - 1))
    assert [row[:2] for row in rows] == [(best[i], i) for i in starts]


def test_refusals() -> None:
    search = _core.Search.of_log_probs(LABELS)
    with pytest.raises(ValueError, match=r"encoded must have size 4 along axis 1, not 3"):
        search.feed(np.zeros((2, 3), np.float32))
    search.finish()
    for call in (lambda: search.feed(log_probs([1])), search.finish):
        with pytest.raises(ValueError, match="the search is finished"):
            call()
    with pytest.raises(ValueError, match="at least one label"):
        _core.Search.of_log_probs(0)
