"""Greedy transducer decoding on scripted networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from parrotlet import ModelFileError
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.transducer import SYMBOLS_LIMIT, GreedyTransducer

BLANK = 4
Script = Callable[[int, tuple[int, ...]], tuple[int, int]]


class Scripted:
    """A predictor whose joint network answers `script(frame, tokens so far)`.

    The answer is (label, index of the duration). Frames are numbered in their only value.
    """

    def __init__(self, script: Script, durations: int = 0) -> None:
        self.script = script
        self.durations = durations
        self.history: tuple[int, ...] = ()
        self.calls = 0

    def update(self, token: int) -> None:
        assert token != BLANK, "the prediction network must not see blanks"
        self.history += (token,)

    def logits(self, frame: np.ndarray) -> np.ndarray:
        self.calls += 1
        label, duration = self.script(int(frame[0]), self.history)
        out = np.zeros(BLANK + 1 + self.durations, dtype=np.float32)
        out[label] = 5
        if self.durations:
            out[BLANK + 1 + duration] = 3
        return out


def frames(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)[:, None]


def decode(
    script: Script, count: int, durations: Sequence[int] = (), max_symbols: int = 10
) -> list[Emission]:
    predictor = Scripted(script, len(durations))
    found = GreedyTransducer(predictor, BLANK, durations, max_symbols).decode(frames(count))
    assert predictor.history == tuple(e.token for e in found)
    return found


def summary(found: list[Emission]) -> list[tuple[int, int, int | None]]:
    return [(e.token, e.frame, e.duration) for e in found]


def test_only_blanks() -> None:
    assert decode(lambda t, y: (BLANK, 0), 5) == []
    assert decode(lambda t, y: (BLANK, 0), 5, durations=[0, 1, 2]) == []
    assert decode(lambda t, y: (BLANK, 0), 0) == []


def test_rnnt_stays_on_a_frame_until_a_blank() -> None:
    answers = {(0, 0): 1, (0, 1): 2, (2, 2): 3}
    found = decode(lambda t, y: (answers.get((t, len(y)), BLANK), 0), 4)
    assert summary(found) == [(1, 0, None), (2, 0, None), (3, 2, None)]


def test_rnnt_calls_the_joint_once_per_blank_and_token() -> None:
    predictor = Scripted(lambda t, y: (1, 0) if t == 2 and not y else (BLANK, 0))
    GreedyTransducer(predictor, BLANK).decode(frames(5))
    assert predictor.calls == 6


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_max_symbols_leaves_the_frame(limit: int) -> None:
    found = decode(lambda t, y: (1, 0), 3, max_symbols=limit)
    assert [e.frame for e in found] == [t for t in range(3) for _ in range(limit)]


def test_unlimited_symbols_still_end() -> None:
    for unlimited in (0, 2**32 - 1):
        assert len(decode(lambda t, y: (1, 0), 2, max_symbols=unlimited)) == 2 * SYMBOLS_LIMIT
    some = decode(lambda t, y: (1, 0) if len(y) < 40 else (BLANK, 0), 2, max_symbols=0)
    assert [e.frame for e in some] == [0] * 40


def test_tdt_skips_by_durations() -> None:
    answers = {0: (1, 3), 3: (BLANK, 2), 5: (2, 1), 6: (3, 4)}
    found = decode(lambda t, y: answers[t], 10, durations=[0, 1, 2, 3, 4])
    assert summary(found) == [(1, 0, 3), (2, 5, 1), (3, 6, 4)]


def test_tdt_blank_of_duration_zero_advances_by_one() -> None:
    seen: list[int] = []

    def script(t: int, y: tuple[int, ...]) -> tuple[int, int]:
        seen.append(t)
        return BLANK, 0

    decode(script, 3, durations=[0, 1])
    assert seen == [0, 1, 2]


def test_tdt_duration_zero_counts_towards_max_symbols() -> None:
    found = decode(lambda t, y: (1, 0), 3, durations=[0, 1], max_symbols=2)
    assert [e.frame for e in found] == [0, 0, 1, 1, 2, 2]


def test_tdt_count_of_symbols_begins_anew_on_each_frame() -> None:
    """Two tokens of duration 0 and one that leaves the frame never reach a limit of 3."""
    found = decode(lambda t, y: (1, int(len(y) % 3 == 2)), 4, durations=[0, 1], max_symbols=3)
    assert [e.frame for e in found] == [t for t in range(4) for _ in range(3)]


@pytest.mark.parametrize("durations", [[1, 2, 3], [2], [4, 1], [0, 2, 8]])
def test_any_list_of_durations(durations: list[int]) -> None:
    found = decode(
        lambda t, y: (len(y) % BLANK, len(y) % len(durations)), 40, durations, max_symbols=1
    )
    time = 0
    for i, emission in enumerate(found):
        duration = durations[i % len(durations)]
        assert summary([emission]) == [(i % BLANK, time, duration)]
        time += duration or 1
    assert time >= 40


def random_script(seed: int, durations: int) -> Script:
    def script(t: int, y: tuple[int, ...]) -> tuple[int, int]:
        source = random.Random(hash((seed, t, y[-3:], len(y))))
        label = source.choice([BLANK, BLANK, source.randrange(BLANK)])
        return label, source.randrange(durations) if durations else 0

    return script


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("durations", [[], [0, 1, 2, 3, 4], [1, 7]])
@pytest.mark.parametrize("size", [1, 3, 10])
def test_pieces_give_what_the_whole_gives(seed: int, durations: list[int], size: int) -> None:
    script = random_script(seed, len(durations))
    whole = decode(script, 200, durations)
    decoder = GreedyTransducer(Scripted(script, len(durations)), BLANK, durations)
    pieces = [e for i in range(0, 200, size) for e in decoder.decode(frames(200)[i : i + size])]
    assert pieces == whole
    assert len(whole) > 3


def test_confidence_leaves_durations_out() -> None:
    """max_prob over the labels alone: (p^a N^a - 1) / (N^a - 1) with NeMo's a = 0.33."""
    (found,) = decode(lambda t, y: (1, 1), 1, durations=[0, 1])
    p = np.exp(5) / (np.exp(5) + BLANK)
    scale = (BLANK + 1) ** 0.33
    assert found.confidence == pytest.approx((p**0.33 * scale - 1) / (scale - 1), abs=1e-6)


def test_wrong_number_of_outputs_is_named() -> None:
    decoder = GreedyTransducer(Scripted(lambda t, y: (1, 0), durations=2), BLANK, [0, 1, 2])
    with pytest.raises(ModelFileError, match="7 outputs"):
        decoder.decode(frames(1))
