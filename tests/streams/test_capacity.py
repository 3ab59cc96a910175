"""How many streams a machine carries, by the cost of its steps."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from parrotlet.streams.capacity import CostEstimate, StepCost

FRAME = 0.08


def test_chunks_that_follow_each_other() -> None:
    """16 ms a step and 1 ms a frame: 20 streams bring a frame every 4 ms, so a step takes
    16 / (1 - 20 / 80) ms; a chunk waits for one and is computed in another."""
    cost = StepCost(0.016, 0.001)
    assert cost.behind(Counter([1] * 20), FRAME).seconds == pytest.approx(2 * 0.016 / 0.75)
    assert cost.behind(Counter([1] * 80), FRAME).seconds == math.inf


def test_chunks_that_come_at_once() -> None:
    cost = StepCost(0.016, 0.001)
    assert cost.behind(Counter([14] * 40), FRAME).seconds == pytest.approx(0.016 + 14 * 40 * 0.001)


@pytest.mark.parametrize("chunk", [1, 2, 7, 14])
@pytest.mark.parametrize(
    "cost", [StepCost(0.016, 0.001), StepCost(0.0, 0.01), StepCost(0.03, 1e-4)]
)
def test_the_most_streams_are_those_that_are_carried(cost: StepCost, chunk: int) -> None:
    most = cost.most_streams(Counter([chunk]), FRAME)
    assert most > 0
    assert cost.carries(Counter([chunk] * most), FRAME)
    assert not cost.carries(Counter([chunk] * (most + 1)), FRAME)


def test_a_step_that_short_chunks_are_in_time_for() -> None:
    """Two steps of 36 ms fit into nine tenths of 80 ms: of 15.5 ms and 20 frames each."""
    cost = StepCost(0.0155, 0.001)
    assert cost.most_frames(1, FRAME) == 20
    assert cost.most_frames(2, FRAME) == 56
    assert StepCost(0.05, 0.001).most_frames(1, FRAME) == 1


def test_a_machine_that_is_too_slow_for_one() -> None:
    assert StepCost(0.2, 0.01).most_streams(Counter([1]), FRAME) == 0
    assert not StepCost(0.2, 0.01).carries(Counter([1]), FRAME)


def test_short_chunks_beside_long_ones() -> None:
    """Chunks of 80 ms are in time for steps of 20 frames: one long chunk and six others."""
    cost = StepCost(0.016, 0.001)
    assert cost.behind(Counter([14] * 3 + [1]), FRAME).seconds == pytest.approx(2 * 0.036)
    assert cost.behind(Counter([14] * 3 + [1]), FRAME).chunk == FRAME
    # After a step that runs, 32 long chunks and 13 of the short stream: as many steps as there are
    # fourteens in them.
    behind = cost.behind(Counter([14] * 32 + [1]), FRAME)
    assert behind.chunk == pytest.approx(14 * FRAME)
    assert behind.seconds == pytest.approx(0.036 + 461 / 14 * 0.016 + 461 * 0.001)
    assert not cost.carries(Counter([14] * 32 + [1]), FRAME)
    assert cost.carries(Counter([14] * 30 + [1]), FRAME)
    assert cost.carries(Counter([14] * 40), FRAME)
    assert not cost.carries(Counter([14] * 40 + [1]), FRAME)


def test_a_few_longer_chunks_take_no_room_from_many_short_ones() -> None:
    cost = StepCost(0.016, 0.001)
    most = cost.most_streams(Counter([1]), FRAME)
    assert most > 30
    assert cost.most_streams(Counter([1] * 9 + [2]), FRAME) > 30


def test_a_long_chunk_may_take_too_long_for_short_ones() -> None:
    cost = StepCost(0.016, 0.003)
    assert cost.carries(Counter([14] * 4), FRAME)
    assert not cost.carries(Counter([14] * 4 + [1]), FRAME)


def test_the_most_streams_beside_those_of_longer_chunks() -> None:
    cost = StepCost(0.016, 0.001)
    chunks = [14] * 5 + [2] * 3 + [1]
    most = cost.most_streams(Counter(chunks), FRAME)
    assert most > len(chunks)
    assert cost.carries(Counter(chunks + [1] * (most - len(chunks))), FRAME)
    assert not cost.carries(Counter(chunks + [1] * (most - len(chunks) + 1)), FRAME)


def test_an_estimate_follows_what_steps_take() -> None:
    estimate = CostEstimate()
    assert estimate.cost() is None
    for _ in range(5):
        estimate.add(3, 0.019)
    assert estimate.cost() is None  # of one size alone, nothing follows
    for frames in (1, 20, 7, 14):
        estimate.add(frames, 0.016 + 0.001 * frames)
    cost = estimate.cost()
    assert cost is not None
    assert (cost.step, cost.frame) == pytest.approx((0.016, 0.001))
    for i in range(2000):
        estimate.add(1 + i % 9, 0.032 + 0.002 * (1 + i % 9))
    cost = estimate.cost()
    assert cost is not None
    assert (cost.step, cost.frame) == pytest.approx((0.032, 0.002), rel=1e-4)


def test_steps_that_get_shorter_with_more_frames_cost_nothing_a_frame() -> None:
    estimate = CostEstimate()
    estimate.add(1, 0.02)
    estimate.add(9, 0.01)
    cost = estimate.cost()
    assert cost is not None
    assert 0 < cost.frame < 1e-6
    assert cost.step == pytest.approx(0.015, rel=0.01)


def test_steps_that_cost_nothing_a_frame_carry_any_number() -> None:
    assert StepCost(0.015, 1e-9).most_streams(Counter([14, 1]), FRAME) > 10_000_000
