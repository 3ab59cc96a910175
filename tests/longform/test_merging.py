"""Merging the tokens of overlapping windows."""

from __future__ import annotations

import random

import pytest

from parrotlet.decoding.emission import Emission
from parrotlet.longform.merging import Overlap, align, merge

WORD = 100
"""Tokens from here on begin a word."""

FRAME = 0.08


def tokens(*pairs: tuple[int, int]) -> list[Emission]:
    return [Emission(token, frame, None, 0.9) for token, frame in pairs]


def begins_word(token: int) -> bool:
    return token >= WORD


def merged(left: list[Emission], right: list[Emission], overlap: Overlap) -> list[int]:
    result = merge(left, right, overlap, begins_word)
    frames = [emission.frame for emission in result]
    assert frames == sorted(frames)
    return [emission.token for emission in result]


OVERLAP = Overlap(begin=50, cut=100, end=150, frame_seconds=FRAME)


def test_agreement_is_merged() -> None:
    spoken = [(101 + i, 10 * i) for i in range(25)]
    left, right = tokens(*spoken[:15]), tokens(*spoken[6:])
    assert merged(left, right, OVERLAP) == [token for token, _ in spoken]


@pytest.mark.parametrize("late", [-4, -1, 1, 4])
def test_times_may_differ(late: int) -> None:
    spoken = [(101 + i, 10 * i) for i in range(25)]
    left = tokens(*spoken[:15])
    right = tokens(*((token, frame + late) for token, frame in spoken[6:]))
    assert merged(left, right, OVERLAP) == [token for token, _ in spoken]


def test_a_word_said_again_and_again_is_neither_dropped_nor_doubled() -> None:
    spoken = [(101, 12 * i) for i in range(20)]
    left, right = tokens(*spoken[:12]), tokens(*((t, f + 1) for t, f in spoken[5:]))
    assert merged(left, right, OVERLAP) == [101] * 20


def test_windows_that_agree_on_nothing_and_begin_no_word() -> None:
    """Nothing of either is lost but what the other has heard at that time."""
    left = tokens(*((1, frame) for frame in range(10, 150, 10)))
    right = tokens(*((2, frame) for frame in range(55, 250, 10)))
    found = merged(left, right, OVERLAP)
    assert found == [1] * found.count(1) + [2] * found.count(2)
    assert 9 <= found.count(1) <= 12
    assert 14 <= found.count(2) <= 16


def test_words_that_end_a_window_garbled_are_taken_from_the_other() -> None:
    left = tokens((101, 60), (102, 80), (103, 95), (104, 120), (199, 140), (9, 148))
    right = tokens((198, 52), (8, 54), (103, 95), (104, 120), (105, 140), (106, 160))
    assert merged(left, right, OVERLAP) == [101, 102, 103, 104, 105, 106]


def test_no_change_over_within_a_word_if_there_is_another_place() -> None:
    # One heard the word as two pieces, the other as three, with the last in common.
    left = tokens((101, 80), (102, 98), (5, 102), (103, 115))
    right = tokens((101, 80), (104, 98), (6, 100), (5, 102), (103, 115))
    assert merged(left, right, OVERLAP) in ([101, 102, 5, 103], [101, 104, 6, 5, 103])


def test_a_pause_is_the_best_place() -> None:
    # Before the pause only the left window heard a word, after it only the right one.
    left = tokens((101, 60), (102, 70), (103, 80), (104, 130))
    right = tokens((101, 60), (103, 80), (104, 130), (105, 140))
    assert merged(left, right, OVERLAP) == [101, 102, 103, 104, 105]


def test_without_agreement_time_decides() -> None:
    left = tokens((101, 60), (102, 90), (103, 120))
    right = tokens((111, 60), (112, 90), (113, 120))
    assert merged(left, right, OVERLAP) == [101, 102, 113]


def test_what_only_one_window_heard_is_kept() -> None:
    assert merged(tokens((101, 60), (102, 110)), [], OVERLAP) == [101, 102]
    assert merged([], tokens((101, 60), (102, 110)), OVERLAP) == [101, 102]
    assert merged(tokens((101, 20)), tokens((102, 130)), OVERLAP) == [101, 102]
    assert merged([], [], OVERLAP) == []


def test_what_lies_outside_of_the_overlap_is_kept() -> None:
    left = tokens((101, 5), (102, 20), (103, 100))
    right = tokens((103, 101), (104, 170), (105, 300))
    assert merged(left, right, OVERLAP) == [101, 102, 103, 104, 105]


def test_alignment_prefers_what_is_near() -> None:
    left = tokens((101, 10), (101, 20))
    assert align(left, tokens((101, 19)), 7) == [(1, 0)]
    assert align(left, tokens((101, 11), (101, 21)), 7) == [(0, 0), (1, 1)]
    assert align(left, tokens((101, 30)), 7) == []


def test_random_speech_with_jitter() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        frame, spoken = 0, []
        while frame < 220:
            frame += rng.randint(2, 12)
            # A small vocabulary: repetitions are common.
            spoken.append((rng.choice([1, 2, 101, 102, 103]), frame))
        left = tokens(*((t, f) for t, f in spoken if f < 150))
        right = tokens(*((t, f + rng.randint(0, 1)) for t, f in spoken if f >= 50))
        assert merged(left, right, OVERLAP) == [token for token, _ in spoken], seed
