"""Relative-position attention of one head against its definition in NumPy."""

import numpy as np
import pytest

from parrotlet import _core

REACH = 64  # positions beyond all distances that a tile of queries may touch


def attention_by_definition(q, k, v, p, p_first, u, w, begin, end, global_key=None):
    """`global_key` is the key and the value [d] that every query sees, whatever its position."""
    frames, d = q.shape
    i, j = np.indices((frames, frames))
    shifted = np.take_along_axis((q + w) @ p.T, p_first - (i - j), 1)
    scores = ((q + u) @ k.T + shifted) / np.sqrt(d)
    hidden = (j < begin[:, None]) | (j >= end[:, None])
    scores[hidden] = -np.inf
    if global_key is not None:
        key, value = global_key
        scores = np.c_[q @ key / np.sqrt(d), scores]
        v = np.r_[value[None], v]
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True) @ v


def window(frames, left, right):
    i = np.arange(frames)
    begin = np.maximum(i - left, 0) if left >= 0 else 0 * i
    end = np.minimum(i + right + 1, frames) if right >= 0 else 0 * i + frames
    return begin, end


def chunks(frames, left_chunks, size):
    own = np.arange(frames) // size
    return np.maximum((own - left_chunks) * size, 0), np.minimum((own + 1) * size, frames)


CASES = {
    "one frame": (1, 64, window(1, -1, -1)),
    "full, several tiles": (131, 64, window(131, -1, -1)),
    "head size beside a panel": (70, 44, window(70, -1, -1)),
    "only itself": (61, 16, window(61, 0, 0)),
    "window": (100, 32, window(100, 14, 3)),
    "no limit to the left": (100, 32, window(100, -1, 2)),
    "chunks": (150, 16, chunks(150, 5, 14)),
    "chunks of one": (90, 16, chunks(90, 70, 1)),
}


# Largest errors with standard normal operands. Bytes carry 7 bits and a sign, halves of keys and
# values 11 bits; scores are sums of products of both sides' errors.
TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "q8_0": 6e-2}


@pytest.mark.parametrize("type", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_attention(isa, rng, case, type):
    frames, d, (begin, end) = CASES[case]
    q, k, v = rng.standard_normal((3, frames, d), dtype=np.float32)
    p_first = frames - 1 + REACH
    p = rng.standard_normal((2 * p_first + 1, d), dtype=np.float32)
    u, w = rng.standard_normal((2, d), dtype=np.float32)
    got = _core.kernels.attention(
        isa, type, q, k, v, p, p_first, u, w, begin.tolist(), end.tolist()
    )
    expected = attention_by_definition(q, k, v, p, p_first, u, w, begin, end)
    np.testing.assert_allclose(got, expected, atol=TOLERANCE[type])


@pytest.mark.parametrize("type", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_attention_without_positions(isa, rng, case, type):
    frames, d, (begin, end) = CASES[case]
    q, k, v = rng.standard_normal((3, frames, d), dtype=np.float32)
    zero = np.zeros(d, np.float32)
    got = _core.kernels.attention(
        isa, type, q, k, v, None, 0, zero, zero, begin.tolist(), end.tolist()
    )
    no_positions = np.zeros((2 * frames, d), np.float32)
    expected = attention_by_definition(q, k, v, no_positions, frames, zero, zero, begin, end)
    np.testing.assert_allclose(got, expected, atol=TOLERANCE[type])


@pytest.mark.parametrize("type", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_global_key(isa, rng, case, type):
    frames, d, (begin, end) = CASES[case]
    q, k, v = rng.standard_normal((3, frames, d), dtype=np.float32)
    p_first = frames - 1 + REACH
    p = rng.standard_normal((2 * p_first + 1, d), dtype=np.float32)
    u, w, *shared = rng.standard_normal((4, d), dtype=np.float32)
    args = (q, k, v, p, p_first, u, w)
    got = _core.kernels.attention(isa, type, *args, begin.tolist(), end.tolist(), *shared)
    expected = attention_by_definition(*args, begin, end, shared)
    np.testing.assert_allclose(got, expected, atol=TOLERANCE[type])


def test_a_global_key_larger_than_all_others(isa, rng):
    """Its score is the largest by so much that no other counts."""
    frames, d = 50, 32
    q, k, v = rng.standard_normal((3, frames, d), dtype=np.float32)
    q[:, 0] = 5.0
    key, value = np.zeros((2, d), np.float32)
    key[0], value[:] = 1e4, rng.standard_normal(d)
    zero = np.zeros(d, np.float32)
    begin, end = window(frames, 4, 4)
    got = _core.kernels.attention(
        isa, "f32", q, k, v, None, 0, zero, zero, begin.tolist(), end.tolist(), key, value
    )
    np.testing.assert_allclose(got, np.tile(value, (frames, 1)), rtol=1e-6)


@pytest.mark.parametrize("type", TOLERANCE)
@pytest.mark.parametrize("dropped", (16, 48, 64, 112))
def test_keys_that_were_dropped_leave_the_others_as_they_are(isa, rng, type, dropped):
    """A stream drops its oldest keys and values, by panels, and others come after those left."""
    frames, d = 75, 44
    q = rng.standard_normal((frames, d), dtype=np.float32)
    k, v = rng.standard_normal((2, dropped + frames, d), dtype=np.float32)
    zero = np.zeros(d, np.float32)
    seen = [run.tolist() for run in window(frames, 30, 2)]
    places = None, 0, zero, zero, *seen
    got = _core.kernels.attention(isa, type, q, k, v, *places, dropped=dropped)
    alone = _core.kernels.attention(isa, type, q, k[dropped:], v[dropped:], *places)
    np.testing.assert_array_equal(got, alone)


@pytest.mark.parametrize("type", TOLERANCE)
def test_one_large_value_takes_no_exactness_from_other_keys(isa, rng, type):
    """Each key's value has a scale of its own where it is bytes."""
    frames, d = 40, 32
    q, k, v = rng.standard_normal((3, frames, d), dtype=np.float32)
    v[5] *= 1e4
    zero = np.zeros(d, np.float32)
    begin, end = window(frames, 3, 0)
    got = _core.kernels.attention(
        isa, type, q, k, v, None, 0, zero, zero, begin.tolist(), end.tolist()
    )
    no_positions = np.zeros((2 * frames, d), np.float32)
    expected = attention_by_definition(q, k, v, no_positions, frames, zero, zero, begin, end)
    others = np.r_[0:5, 9:frames]
    np.testing.assert_allclose(got[others], expected[others], atol=TOLERANCE[type])


@pytest.mark.parametrize("type", TOLERANCE)
def test_a_query_that_sees_nothing_gets_zero(isa, rng, type):
    frames, d = 20, 16
    q, k, v = rng.standard_normal((3, frames, d), dtype=np.float32)
    p_first = frames - 1 + REACH
    p = rng.standard_normal((2 * p_first + 1, d), dtype=np.float32)
    u, w = rng.standard_normal((2, d), dtype=np.float32)
    begin, end = window(frames, -1, -1)
    end[3] = begin[3]
    got = _core.kernels.attention(
        isa, type, q, k, v, p, p_first, u, w, begin.tolist(), end.tolist()
    )
    assert not got[3].any()
    assert got[[2, 4]].all()
