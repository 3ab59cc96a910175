"""Row operations and convolutions against NumPy."""

import numpy as np
import pytest

from parrotlet import _core

kernels = _core.kernels


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


@pytest.mark.parametrize("n", [1, 7, 16, 48, 176, 1024])
def test_layer_norm(isa, rng, n):
    x = rng.standard_normal((5, n), dtype=np.float32) * 3 + 10
    gain, bias = rng.standard_normal((2, n), dtype=np.float32)
    wide = x.astype(np.float64)
    deviation = np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    expected = (wide - wide.mean(-1, keepdims=True)) / deviation * gain + bias
    np.testing.assert_allclose(
        kernels.layer_norm(isa, x, gain, bias, 1e-5), expected, atol=2e-5, rtol=1e-5
    )


@pytest.mark.parametrize("n", [1, 15, 16, 33, 1000])
def test_silu(isa, n):
    x = np.linspace(-100, 100, n, dtype=np.float32)
    np.testing.assert_allclose(kernels.silu(isa, x), x * sigmoid(x), atol=1e-7, rtol=3e-7)


@pytest.mark.parametrize("n", [1, 31, 640])
def test_relu_add(isa, rng, n):
    a, b = rng.standard_normal((2, n), dtype=np.float32)
    np.testing.assert_array_equal(kernels.relu_add(isa, a, b), np.maximum(a + b, 0))


@pytest.mark.parametrize("n", [1, 31, 640])
def test_tanh_add(isa, rng, n):
    a, b = rng.standard_normal((2, n), dtype=np.float32) * 5
    np.testing.assert_allclose(kernels.tanh_add(isa, a, b), np.tanh(a + b), atol=3e-7)


@pytest.mark.parametrize("n", [1, 15, 33, 1025])
def test_sum_exp(isa, rng, n):
    x = rng.standard_normal(n, dtype=np.float32) * 10
    x[n // 2 :] -= 200  # nothing is left of these
    expected = np.exp(x.astype(np.float64) - x.max()).sum()
    np.testing.assert_allclose(kernels.sum_exp(isa, x, x.max()), expected, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 48, 320, 641])
def test_lstm_cell(isa, rng, n):
    gates = rng.standard_normal(4 * n, dtype=np.float32) * 4
    cell = rng.standard_normal(n, dtype=np.float32)
    i, f, g, o = gates.reshape(4, n)
    next_cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    got_cell, got_hidden = kernels.lstm_cell(isa, gates, cell)
    np.testing.assert_allclose(got_cell, next_cell, atol=1e-6)
    np.testing.assert_allclose(got_hidden, sigmoid(o) * np.tanh(next_cell), atol=1e-6)


@pytest.mark.parametrize(("channels", "kernel", "left"), [(64, 9, 4), (176, 31, 15), (40, 9, 8)])
@pytest.mark.parametrize("frames", [1, 3, 50])
def test_depthwise_conv1d(isa, rng, channels, kernel, left, frames):
    x = rng.standard_normal((frames, channels), dtype=np.float32)
    w = rng.standard_normal((kernel, channels), dtype=np.float32)
    bias = rng.standard_normal(channels, dtype=np.float32)
    padded = np.pad(x, ((left, kernel - 1 - left), (0, 0)))
    expected = bias + sum(w[j] * padded[j : j + frames] for j in range(kernel))
    got = kernels.depthwise_conv1d(isa, x, w, bias, left)
    np.testing.assert_allclose(got, expected, atol=2e-5)


def conv2d_by_definition(x, w, bias, left):
    """x [frames, bins, channels]; pads `left` before and 1 after, in both directions."""
    frames, bins = ((n + left + 1 - 3) // 2 + 1 for n in x.shape[:2])
    padded = np.pad(x, ((left, 1), (left, 1), (0, 0)))
    y = np.zeros((frames, bins, w.shape[1])) + bias
    for i in range(3):
        for j in range(3):
            y += w[3 * i + j] * padded[i : i + 2 * frames - 1 : 2, j : j + 2 * bins - 1 : 2]
    return y


@pytest.mark.parametrize("left", [1, 2])
@pytest.mark.parametrize("channels", [16, 44, 256])
@pytest.mark.parametrize("size", [(1, 5), (9, 16), (10, 17)])
def test_conv2d(isa, rng, left, channels, size):
    w = rng.standard_normal((9, channels), dtype=np.float32)
    bias = rng.standard_normal(channels, dtype=np.float32)
    x = rng.standard_normal((*size, channels), dtype=np.float32)
    expected = conv2d_by_definition(x, w, bias, left)
    got = kernels.conv2d(isa, x, w, bias, left, *expected.shape[:2])
    np.testing.assert_allclose(got, expected, atol=2e-5)

    single = np.ascontiguousarray(x[:, :, 0])
    expected = np.maximum(conv2d_by_definition(single[:, :, None], w, bias, left), 0)
    got = kernels.conv2d(isa, single, w, bias, left, *expected.shape[:2])
    np.testing.assert_allclose(got, expected, atol=2e-5)
