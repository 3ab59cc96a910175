"""Block formats against the `gguf` package, which defines them for everybody else."""

import gguf
import numpy as np
import pytest

from parrotlet import _core

GGML_TYPES = {name: gguf.GGMLQuantizationType[name.upper()] for name in _core.types()}

# Types whose encoding leaves no choice, which the gguf package encodes as well
FIXED = ("f32", "f16", "q8_0", "q4_0")
SEARCHED = ("q6_k", "q5_k", "q4_k")

# Root mean square errors that quantize_q6_K, quantize_q5_K and quantize_q4_K of ggml-quants.c
# (ggml d99724f2, without an importance matrix) make on `matrix(name)`
REFERENCE_ERRORS = {
    "normal": {"q6_k": 0.017725, "q5_k": 0.036269, "q4_k": 0.071494},
    "laplace": {"q6_k": 0.030883, "q5_k": 0.060803, "q4_k": 0.12017},
    "offset": {"q6_k": 0.030733, "q5_k": 0.037397, "q4_k": 0.072335},
}


def matrix(name):
    rng = np.random.default_rng(20)
    draw = {
        "normal": rng.standard_normal,
        "laplace": lambda shape: rng.laplace(size=shape),
        "offset": lambda shape: rng.standard_normal(shape) - 2,
    }[name]
    return draw((64, 1024)).astype(np.float32)


def gguf_decoded(encoded, kind, columns):
    data = encoded.view(np.float32) if kind == "f32" else encoded
    return gguf.quants.dequantize(data, GGML_TYPES[kind]).reshape(len(encoded), columns)


def round_trip(values, kind):
    return _core.dequantize(_core.quantize(values, kind), kind, values.shape[1])


def rms(values):
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))


def test_the_types_are_all_there():
    assert sorted(_core.types()) == sorted(FIXED + SEARCHED)


@pytest.mark.parametrize("kind", FIXED)
def test_encodes_as_gguf_does(rng, kind):
    values = rng.standard_normal((9, 256), dtype=np.float32) * np.float32(10) ** rng.integers(
        -6, 4, (9, 1)
    ).astype(np.float32)
    values[3, 64:96] = 0
    values[4, 5], values[4, 9] = -7e3, 7e3  # the first of two peaks decides q4_0's sign
    np.testing.assert_array_equal(
        _core.quantize(values, kind),
        gguf.quants.quantize(values, GGML_TYPES[kind]).view(np.uint8),
    )


@pytest.mark.parametrize("kind", _core.types())
def test_decodes_every_bit_as_gguf_does(rng, kind):
    elements, size = _core.block_layout(kind)
    assert (elements, size) == gguf.GGML_QUANT_SIZES[GGML_TYPES[kind]]
    columns = max(elements, 256)
    encoded = rng.integers(0, 256, (64, columns // elements * size), dtype=np.uint8)
    with np.errstate(all="ignore"):  # scales that are not finite
        expected = gguf_decoded(encoded, kind, columns)
    decoded = _core.dequantize(encoded, kind, columns)
    numbers = ~np.isnan(expected)
    assert numbers.sum() > numbers.size / 2
    np.testing.assert_array_equal(np.isnan(decoded), ~numbers)
    np.testing.assert_array_equal(
        decoded[numbers].view(np.uint32), expected[numbers].view(np.uint32)
    )


@pytest.mark.parametrize("kind", SEARCHED)
@pytest.mark.parametrize("name", ["normal", "laplace", "offset"])
def test_scales_are_searched_as_well_as_by_the_reference(name, kind):
    values = matrix(name)
    assert rms(round_trip(values, kind) - values) < REFERENCE_ERRORS[name][kind]


@pytest.mark.parametrize("kind", SEARCHED)
def test_encoding_what_was_decoded_changes_next_to_nothing(kind):
    once = round_trip(matrix("normal"), kind)
    assert rms(round_trip(once, kind) - once) < 0.3 * REFERENCE_ERRORS["normal"][kind]


@pytest.mark.parametrize("kind", SEARCHED)
def test_blocks_do_not_depend_on_their_neighbours(kind):
    values = matrix("normal")
    whole = _core.quantize(values, kind)
    parts = [_core.quantize(values[:, i : i + 256].copy(), kind) for i in range(0, 1024, 256)]
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))


def with_outlier(rng):
    values = rng.standard_normal((4, 512)) * 0.01
    values[:, 100] = 50
    return values


# Rows that are hard on a search, and the error allowed as a share of the largest magnitude: a step
# of 4 bits has a fifteenth of a part's range, and half of it is the largest error.
HARD = {
    "zeros": (lambda rng: np.zeros((4, 512)), 0),
    "positive constant": (lambda rng: np.full((4, 512), 0.3), 1e-3),
    "negative constant": (lambda rng: np.full((4, 512), -0.3), 1e-3),
    "two values": (lambda rng: np.where(rng.random((4, 512)) < 0.5, -0.7, 0.7), 0.07),
    "one value in a block": (lambda rng: np.eye(4, 512) * 3, 1e-3),
    "one outlier": (with_outlier, 1e-3),
    "only positive": (lambda rng: rng.random((4, 512)), 0.07),
    "only negative": (lambda rng: -rng.random((4, 512)), 0.07),
    "as large as halves get": (lambda rng: rng.choice([-65504, -3e4, 1e4, 65504], (4, 512)), 0.07),
    "ramp": (lambda rng: np.linspace(-1, 1, 2048).reshape(4, 512), 0.07),
}


@pytest.mark.parametrize("kind", SEARCHED)
@pytest.mark.parametrize("name", HARD)
def test_hard_rows(rng, name, kind):
    make, allowed = HARD[name]
    values = make(rng).astype(np.float32)
    error = np.abs(round_trip(values, kind) - values)  # not finite if the scales are not
    assert error.max() <= allowed * np.abs(values).max()


@pytest.mark.parametrize("size", [1e-5, 1e-7, 1e-20, 1e-41])
@pytest.mark.parametrize("kind", SEARCHED)
def test_values_too_small_for_a_scale_become_near_zeros(rng, kind, size):
    """A scale is a half, whose smallest step is 2^-24, and that times a multiple of at least 1."""
    values = (rng.standard_normal((4, 512)) * size).astype(np.float32)
    error = np.abs(round_trip(values, kind) - values)
    assert error.max() <= min(max(0.2 * np.abs(values).max(), 2.0**-24), np.abs(values).max())


def test_every_half_decodes_as_numpy_does():
    halves = np.arange(1 << 16, dtype=np.uint16)
    decoded = _core.dequantize(halves.view(np.uint8)[None], "f16", 1 << 16)[0]
    np.testing.assert_array_equal(decoded, halves.view(np.float16).astype(np.float32))


def test_halves_round_as_numpy_does(rng):
    values = np.concatenate(
        [
            rng.standard_normal(4096) * 10.0 ** rng.integers(-9, 6, 4096),
            [0.0, -0.0, np.inf, -np.inf, 65504, 65519.9, 65520, 2**-24, 2**-25, 2**-14, 1e-40],
        ]
    ).astype(np.float32)
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16)
    encoded = _core.quantize(values[None], "f16")[0].view(np.float16)
    np.testing.assert_array_equal(encoded, expected)
    assert np.isnan(_core.quantize(np.array([[np.nan]], np.float32), "f16").view(np.float16)).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: _core.quantize(np.zeros((2, 31), np.float32), "q8_0"),
        lambda: _core.quantize(np.zeros((2, 128), np.float32), "q4_k"),
        lambda: _core.quantize(np.zeros((2, 32), np.float32), "q9_9"),
        lambda: _core.quantize(np.zeros(32, np.float32), "q8_0"),
        lambda: _core.dequantize(np.zeros((2, 33), np.uint8), "q8_0", 32),
    ],
)
def test_refuses_what_does_not_fit(call):
    with pytest.raises(ValueError, match=r"blocks|unknown|dimension|bytes"):
        call()


@pytest.mark.parametrize("kind", ["q8_0", "q6_k", "q5_k", "q4_k", "q4_0"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 65536.0, -65536.0])
def test_what_a_block_cannot_hold_is_refused(kind, value):
    row = np.ones((1, 256), np.float32)
    row[0, 100] = value
    with pytest.raises(ValueError, match=f"not finite or too large for {kind}"):
        _core.quantize(row, kind)


@pytest.mark.parametrize("kind", ["q8_0", "q6_k", "q5_k", "q4_k", "q4_0"])
def test_the_largest_value_beside_the_smallest(kind):
    """A part's scale can be so small beside a value that their quotient is beyond every int."""
    rng = np.random.default_rng(5)
    for small in (1e-8, 3e-8, 1e-7, 1e-6, 1e-3):
        row = (rng.normal(0, small, (4, 256))).astype(np.float32)
        row[:, ::37] = 65504.0
        decoded = _core.dequantize(_core.quantize(row, kind), kind, 256)
        assert np.isfinite(decoded).all()
        np.testing.assert_allclose(decoded[:, ::37], 65504.0, rtol=0.2)
