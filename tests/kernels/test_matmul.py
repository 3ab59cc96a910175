"""Matrix products against NumPy, for every type, shape class, epilogue and thread count."""

import numpy as np
import pytest

from parrotlet import _core

MatrixProduct = _core.kernels.MatrixProduct

# Rows: one, fewer and more than any register tile, several blocks. Columns: below, at and beside
# panel borders. Depth: one block of q8_0 and many.
SHAPES = [(1, 16, 32), (1, 100, 640), (5, 40, 64), (13, 33, 96), (50, 130, 128), (311, 48, 256)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "none": lambda y: y,
    "relu": lambda y: np.maximum(y, 0),
    "silu": lambda y: y * sigmoid(y),
}


def operands(rng, kind, m, n, k):
    """x [m, k] and w [n, k], with k rounded up to whole blocks of the type."""
    elements = _core.block_layout(kind)[0]
    k = -(-k // elements) * elements
    x = rng.standard_normal((m, k), dtype=np.float32)
    w = rng.standard_normal((n, k), dtype=np.float32) / np.float32(np.sqrt(k))
    return x, w


def as_stored(w, kind):
    return _core.dequantize(_core.quantize(w, kind), kind, w.shape[1])


def as_packed(w, kind):
    """Weights as the product sees them: four blocks of q8_0 have the largest of their scales, and
    what is left of the others' quants is computed in integers."""
    if kind != "q8_0":
        return as_stored(w, kind)
    n, k = w.shape
    blocks = _core.quantize(w, kind).reshape(n, k // 32, 34)
    blocks = np.pad(blocks, [(0, 0), (0, -(k // 32) % 4), (0, 0)]).reshape(n, -1, 4, 34)
    scales = blocks[..., :2].copy().view(np.float16).astype(np.float32)
    quants = blocks[..., 2:].view(np.int8).astype(np.int32)
    largest = scales.max(2, keepdims=True)
    ratios = scales / np.where(largest > 0, largest, 1)
    factors = (ratios * np.float32(32767)).astype(np.int32)
    rescaled = ((quants * 256 * factors >> 16) + 64) >> 7
    rescaled = np.where(ratios == 1, quants, rescaled)
    return (rescaled * largest).astype(np.float32).reshape(n, -1)[:, :k]


# Floats: the order of a sum. q8_0: also quants of activations on a rounding border. Others: also
# scales and minimums of panels, which are products rounded to halves.
TOLERANCE = {"f32": 2e-5, "f16": 2e-5, "q8_0": 5e-3}


def close(actual, expected, kind):
    np.testing.assert_allclose(actual, expected, atol=TOLERANCE.get(kind, 1.5e-2))


def as_multiplied(x, kind):
    """Activations as the product sees them: with quantised weights, 8 bits and a scale per 128."""
    if kind in ("f32", "f16"):
        return x
    k = x.shape[-1]
    spans = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -k % 128)])
    spans = spans.reshape(*x.shape[:-1], -1, 128)
    scale = np.abs(spans).max(-1, keepdims=True) / np.float32(127)
    rounded = np.round(spans / np.where(scale > 0, scale, 1)) * scale
    return rounded.reshape(*x.shape[:-1], -1)[..., :k]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", _core.types())
@pytest.mark.parametrize("shape", SHAPES)
def test_product(isa, rng, shape, kind, threads):
    x, w = operands(rng, kind, *shape)
    y = MatrixProduct(isa, w, kind, threads)(x)
    close(y, as_multiplied(x, kind) @ as_packed(w, kind).T, kind)


@pytest.mark.parametrize("kind", _core.types())
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_epilogue(isa, rng, kind, activation):
    x, w = operands(rng, kind, 29, 70, 96)
    bias = rng.standard_normal(70, dtype=np.float32)
    residual = rng.standard_normal((29, 70), dtype=np.float32)
    product = MatrixProduct(isa, w, kind, 2, activation)
    y = product(x, bias=bias, residual=residual, scale=0.5)
    z = as_multiplied(x, kind) @ as_packed(w, kind).T + bias
    close(y, residual + 0.5 * ACTIVATIONS[activation](z), kind)


@pytest.mark.parametrize("kind", _core.types())
@pytest.mark.parametrize("columns", [16, 44, 176])
def test_glu_takes_gates_from_the_second_half(isa, rng, kind, columns):
    x, w = operands(rng, kind, 19, 2 * columns, 64)
    bias = rng.standard_normal(2 * columns, dtype=np.float32)
    y = MatrixProduct(isa, w, kind, 2, "glu")(x, bias=bias)
    z = as_multiplied(x, kind) @ as_packed(w, kind).T + bias
    close(y, z[:, :columns] * sigmoid(z[:, columns:]), kind)


@pytest.mark.parametrize("kind", _core.types())
def test_equals_the_scalar_table(isa, rng, kind):
    x, w = operands(rng, kind, 27, 50, 160)
    scalar = MatrixProduct("scalar", w, kind)(x)
    np.testing.assert_allclose(MatrixProduct(isa, w, kind)(x), scalar, atol=1e-5)


@pytest.mark.parametrize("kind", _core.types())
def test_threads_do_not_change_a_bit(isa, rng, kind):
    x, w = operands(rng, kind, 200, 96, 128)
    one = MatrixProduct(isa, w, kind, 1)(x)
    for threads in (2, 3, 5):
        np.testing.assert_array_equal(MatrixProduct(isa, w, kind, threads)(x), one)


@pytest.mark.parametrize("threads", [1, 5])
@pytest.mark.parametrize(
    "kinds",
    [
        *((kind, kind) for kind in _core.types()),
        *[("q8_0", "f16"), ("f32", "q8_0"), ("q4_0", "q6_k")],
    ],
)
@pytest.mark.parametrize(("m", "width"), [(1, 256), (13, 512), (301, 768), (9, 672)])
def test_results_packed_for_the_next_product(isa, rng, m, width, kinds, threads):
    """Not a bit differs from packing them in a pass of its own."""
    _, second_w = operands(rng, kinds[1], m, 40, width)
    width = second_w.shape[1]
    x, first_w = operands(rng, kinds[0], m, width, 160)
    bias = rng.standard_normal(width, dtype=np.float32)
    first = MatrixProduct(isa, first_w, kinds[0], threads, "silu")
    second = MatrixProduct(isa, second_w, kinds[1], threads)
    np.testing.assert_array_equal(first.then(second, x, bias), second(first(x, bias=bias)))


def test_extreme_quants_do_not_overflow(isa):
    """The largest magnitudes in every place, with either sign, at a depth of 4096."""
    k = 4096
    for x_sign in (1, -1):
        for w_sign in (1, -1):
            x = np.full((3, k), x_sign * 127, np.float32)
            w = np.full((16, k), w_sign * 127, np.float32)
            y = MatrixProduct(isa, w, "q8_0")(x)
            np.testing.assert_allclose(y, x_sign * w_sign * 127.0 * 127.0 * k, rtol=1e-6)


@pytest.mark.parametrize("kind", ["q4_0", "q4_k", "q5_k", "q6_k"])
def test_largest_quants_do_not_overflow(isa, kind):
    """Every sixteenth weight is the smallest, all others the largest that the type has."""
    k = 1024
    w = np.ones((16, k), np.float32)
    w[:, ::16] = -1
    for x_sign in (1, -1):
        for w_sign in (1, -1):
            x = np.full((13, k), x_sign * 127, np.float32)
            y = MatrixProduct(isa, w_sign * w, kind)(x)
            np.testing.assert_allclose(y, x @ as_stored(w_sign * w, kind).T, rtol=2e-3)


@pytest.mark.parametrize(("kind", "smallest", "largest"), [("q8_0", -127, 127), ("q4_0", -8, 7)])
@pytest.mark.parametrize("m", range(1, 26))
def test_products_of_integers_are_exact(isa, rng, kind, smallest, largest, m):
    """With scales of one nothing is rounded, for any number of rows up to two of any tile."""
    n, k = 40, 288
    x = rng.integers(-127, 128, (m, k)).astype(np.float32)
    w = rng.integers(smallest, largest + 1, (n, k)).astype(np.float32)
    x[:, ::32] = 127
    w[:, ::32] = smallest
    np.testing.assert_array_equal(MatrixProduct(isa, w, kind)(x), x @ w.T)


def test_zero_rows_stay_zero(isa, rng):
    w = rng.standard_normal((32, 64), dtype=np.float32)
    assert not MatrixProduct(isa, w, "q8_0")(np.zeros((4, 64), np.float32)).any()


def test_q8_0_loses_little_to_the_scale_of_a_span(isa, rng):
    """The largest block keeps its quants; others are off by half a step of its scale at most."""
    _, w = operands(rng, "q8_0", 1, 48, 512)
    w[:, ::128] *= 4
    packed, stored = as_packed(w, "q8_0"), as_stored(w, "q8_0")
    spans = np.abs(w).reshape(48, -1, 128).max(-1, keepdims=True)
    error = np.abs(packed - stored).reshape(48, -1, 128)
    assert (error <= spans / 127 * 0.52).all()
    assert (error.reshape(48, -1, 4, 32).max(-1).min(-1) == 0).all()
    identity = np.eye(512, dtype=np.float32)
    np.testing.assert_allclose(MatrixProduct(isa, w, "q8_0")(identity), packed.T, atol=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in _core.types() if kind not in ("f32", "f16")])
def test_a_row_does_not_depend_on_how_many_there_are(isa, rng, kind):
    """To the bit: streams that step together get what they get alone."""
    x, w = operands(rng, kind, 40, 72, 288)
    product = MatrixProduct(isa, w, kind)
    together = product(x)
    for rows in (1, 2, 3, 5, 6, 7, 15, 16, 17, 33):
        np.testing.assert_array_equal(product(x[:rows]), together[:rows])
        np.testing.assert_array_equal(product(x[40 - rows :]), together[40 - rows :])


@pytest.mark.parametrize("m", [1, 6, 16, 37])
def test_tiles_give_what_vnni_gives(rng, m):
    """AMX sums in tiles and scales in the same order: not a bit differs."""
    if "amx" not in _core.available_isas():
        pytest.skip("no AMX here")
    x, w = operands(rng, "q8_0", m, 88, 672)
    product = MatrixProduct("avx512_vnni", w, "q8_0")(x)
    np.testing.assert_array_equal(MatrixProduct("amx", w, "q8_0")(x), product)


@pytest.mark.parametrize("kind", _core.types())
def test_no_rows(isa, rng, kind):
    _, w = operands(rng, kind, 1, 40, 256)
    assert MatrixProduct(isa, w, kind)(np.empty((0, w.shape[1]), np.float32)).shape == (0, 40)
