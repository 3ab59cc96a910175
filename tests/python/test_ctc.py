"""Greedy CTC on scripted log-probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from parrotlet.decoding.confidence import max_prob
from parrotlet.decoding.ctc import GreedyCtc
from parrotlet.decoding.emission import Emission

BLANK = 3


def log_probs(labels: list[int], probabilities: list[float] | None = None) -> np.ndarray:
    """Frames whose best label is given, with its probability (default 0.7)."""
    rows = np.empty((len(labels), BLANK + 1), dtype=np.float32)
    for row, label, p in zip(rows, labels, probabilities or [0.7] * len(labels), strict=True):
        row[:] = math.log((1 - p) / BLANK)
        row[label] = math.log(p)
    return rows


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
    assert tokens_and_frames(GreedyCtc(BLANK).decode(log_probs(labels))) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pieces_give_what_the_whole_gives(size: int) -> None:
    labels = [3, 1, 1, 1, 3, 1, 2, 2, 3, 3, 0, 0]
    frames = log_probs(labels, [0.9 - 0.04 * i for i in range(len(labels))])
    whole = GreedyCtc(BLANK).decode(frames)
    decoder = GreedyCtc(BLANK)
    pieces = [e for i in range(0, len(frames), size) for e in decoder.decode(frames[i : i + size])]
    assert pieces == whole
    assert decoder.frames_seen == len(frames)


def test_an_empty_piece_changes_nothing() -> None:
    decoder = GreedyCtc(BLANK)
    decoder.decode(log_probs([1]))
    assert decoder.decode(log_probs([])) == []
    assert decoder.decode(log_probs([1])) == []


def test_confidence_is_the_lowest_of_the_run() -> None:
    (emission,) = GreedyCtc(BLANK).decode(log_probs([1, 1, 1], [0.9, 0.6, 0.8]))
    assert emission.confidence == pytest.approx(max_prob(math.log(0.6), BLANK + 1), abs=1e-6)
    assert emission.duration is None
