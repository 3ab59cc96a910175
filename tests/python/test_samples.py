"""Samples of another scale, type or rate: named, with what to do about them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from parrotlet import AudioError
from parrotlet.samples import LOUDEST, check_finite, check_samples

RATE = 16_000


def voice(peak: float, length: int = 1000) -> np.ndarray:
    values = np.random.default_rng(1).normal(0, 0.2, length)
    return values / np.abs(values).max() * peak


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("peak", "divisor"),
    [(30_000, "32768"), (200, "32768"), (2.0**22, "8388608"), (2.0**30, "2147483648")],
)
def test_floats_of_another_scale(dtype: str, peak: float, divisor: str) -> None:
    with pytest.raises(AudioError, match=rf"\[-1, 1\].* by {divisor}"):
        check_samples(voice(peak).astype(dtype))


def test_floats_beyond_every_scale() -> None:
    with pytest.raises(AudioError, match=r"sample 7 is 1e\+30.*\[-1, 1\]"):
        check_samples(np.array([0.0] * 7 + [1e30]))


@pytest.mark.parametrize("peak", [1.0, 1.5, 4.0, LOUDEST])
def test_decoders_may_overshoot(peak: float) -> None:
    assert np.abs(check_samples(voice(peak))).max() == pytest.approx(peak)


def test_what_does_not_fit_float32_is_no_sound() -> None:
    with pytest.raises(AudioError, match="sample 1 is 1e"):
        check_samples(np.array([0.0, 1e300]))


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("f2", 0x7D01), ("f4", 0x7F800001), ("f4", 0xFF800001), ("f8", 0x7FF0000000000001)],
)
@pytest.mark.parametrize("length", [1, 2, 33])
def test_signalling_nans_are_an_error_and_no_warning(dtype: str, bits: int, length: int) -> None:
    samples = np.zeros(length, f"u{dtype[1:]}")
    samples[-1] = bits
    with warnings.catch_warnings(), pytest.raises(AudioError, match=f"sample {length - 1} is nan"):
        warnings.simplefilter("error")
        check_samples(samples.view(dtype))


@pytest.mark.parametrize("start", [0, 5000])
def test_samples_are_counted_from_the_start(start: int) -> None:
    with pytest.raises(AudioError, match=f"sample {start + 2} is nan"):
        check_samples(np.array([0, 1, np.nan]), start=start)
    with pytest.raises(AudioError, match=f"sample {start + 1} is -300"):
        check_finite(np.array([0, -300, 2], dtype=np.float32), "x", start)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "uint32", "uint64", "int64"])
def test_16_bit_values_in_other_integers(dtype: str) -> None:
    values = np.abs(voice(20_000)) if dtype[0] == "u" else voice(20_000)
    with pytest.raises(AudioError, match=rf"(?s)32768.*\[-1, 1\]|\[-1, 1\].*32768.*{dtype}"):
        check_samples(values.astype(dtype))


def test_32_bit_values_in_64_bits() -> None:
    with pytest.raises(AudioError, match=r"divide them by 2147483648.*int64"):
        check_samples(voice(2.0**30).astype(np.int64))


@pytest.mark.parametrize("peak", [0, 3, 1000, 40_000, 2.0**31 - 1])
def test_samples_of_32_bits_may_be_faint(peak: float) -> None:
    values = voice(max(peak, 1)).astype(np.int64) if peak else np.zeros(10)
    found = check_samples(values.astype(np.int32))
    assert np.abs(found).max() == pytest.approx(peak / 2**31, abs=1e-9)


def test_samples_of_24_bits_in_32_may_be_faint() -> None:
    """Below -96 dB, as in a pause: their last 8 bits are zero, those of 16-bit values are not."""
    check_samples(voice(100).astype(np.int32) * 256)


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [("uint8", r"128.*io\.BytesIO"), ("int8", "128"), ("bool", "bool"), ("complex64", "complex")],
)
def test_other_types_are_named(dtype: str, hint: str) -> None:
    with pytest.raises(ValueError, match=rf"dtype {dtype}.*float32" if hint in dtype else hint):
        check_samples(np.ones(10).astype(dtype))


def test_what_is_no_array() -> None:
    with pytest.raises(ValueError, match="no array of samples"):
        check_samples([[1.0], [2.0, 3.0]])


def test_no_samples() -> None:
    empty = np.empty(0, dtype=np.int32)
    assert len(check_samples(empty, allow_empty=True)) == 0
    for dtype in ("int32", "float32"):
        with pytest.raises(AudioError, match="0 samples"):
            check_samples(empty.astype(dtype))
