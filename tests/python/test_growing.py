"""Samples that grow while a recording is read."""

from __future__ import annotations

import numpy as np
import pytest

from parrotlet.growing import GrowingSamples
from parrotlet.longform.cutting import JOINED_SAMPLES


def numbers(begin: int, end: int) -> np.ndarray:
    """Samples that say where they stand."""
    return np.arange(begin, end, dtype=np.float32)


def test_one_block_is_not_copied() -> None:
    block, grown = numbers(0, 100), GrowingSamples()
    grown.append([block])
    assert grown.samples.base is block or grown.samples is block
    grown.drop(10)
    assert np.shares_memory(grown.take(), block)
    assert len(grown) == 0


def test_a_block_of_the_caller_is_not_written_to() -> None:
    block, grown = numbers(0, 100)[:50], GrowingSamples()
    grown.append([block])
    grown.append([-numbers(0, 50)])
    assert np.array_equal(block.base, numbers(0, 100))
    assert np.array_equal(grown.samples, np.concatenate([block, -numbers(0, 50)]))


@pytest.mark.parametrize("size", (7, JOINED_SAMPLES // 3))
def test_what_is_held_is_what_came_in_but_for_what_was_dropped(size) -> None:
    draws, grown = np.random.default_rng(size), GrowingSamples()
    begin = end = 0
    for _ in range(40):
        blocks = []
        for _ in range(draws.integers(1, 4)):
            blocks.append(numbers(end, end + draws.integers(0, size)))
            end += len(blocks[-1])
        grown.append(blocks)
        if draws.random() < 0.3:
            dropped = int(draws.integers(0, len(grown) + 1))
            grown.drop(dropped)
            begin += dropped
        assert len(grown) == end - begin
        assert np.array_equal(grown.samples, numbers(begin, end))
    assert np.array_equal(grown.take(), numbers(begin, end))


def test_all_that_was_given_away_stays_as_it_is() -> None:
    grown = GrowingSamples()
    grown.append([numbers(0, 10), numbers(10, 20)])
    given = grown.take()
    grown.append([numbers(50, 60), numbers(60, 70)])
    assert np.array_equal(given, numbers(0, 20))
    assert np.array_equal(grown.samples, numbers(50, 70))


def test_a_long_recording_is_seldom_copied() -> None:
    """What is held stays where it is for as long as it was, once it is long."""
    grown, places = GrowingSamples(), set()
    for part in range(64):
        first = numbers(0, JOINED_SAMPLES // 2)
        grown.append([first, first[:part]])
        places.add(grown.samples.__array_interface__["data"][0])
    assert len(places) < 10


@pytest.mark.parametrize("expected", (0, 999, 10_000, 1 << 62))
def test_the_number_expected_may_be_wrong(expected) -> None:
    grown, places = GrowingSamples(expected), set()
    for begin in range(0, 1000, 100):
        grown.append([numbers(begin, begin + 100)])
        places.add(grown.samples.__array_interface__["data"][0])
    assert len(places) == 1 or expected < 1000
    assert np.array_equal(grown.take(), numbers(0, 1000))
