"""Block formats against the `gguf` package, which defines them for everybody else."""

import gguf
import numpy as np
import pytest

from parrotlet import _core

GGML_TYPES = {name: gguf.GGMLQuantizationType[name.upper()] for name in _core.types()}


@pytest.mark.parametrize("kind", _core.types())
def test_encodes_and_decodes_as_gguf_does(rng, kind):
    values = rng.standard_normal((9, 256), dtype=np.float32) * np.float32(10) ** rng.integers(
        -6, 4, (9, 1)
    ).astype(np.float32)
    encoded = _core.quantize(values, kind)
    np.testing.assert_array_equal(
        encoded, gguf.quants.quantize(values, GGML_TYPES[kind]).view(np.uint8)
    )
    np.testing.assert_array_equal(
        _core.dequantize(encoded, kind, 256),
        gguf.quants.dequantize(
            encoded.copy().view(np.float32) if kind == "f32" else encoded, GGML_TYPES[kind]
        ).reshape(9, 256),
    )


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
        lambda: _core.quantize(np.zeros((2, 32), np.float32), "q9_9"),
        lambda: _core.quantize(np.zeros(32, np.float32), "q8_0"),
        lambda: _core.dequantize(np.zeros((2, 33), np.uint8), "q8_0", 32),
    ],
)
def test_refuses_what_does_not_fit(call):
    with pytest.raises(ValueError, match=r"blocks|unknown|dimension|bytes"):
        call()
