"""Values of samples: their scale in every format, and those that are no sound."""

from __future__ import annotations

import numpy as np
import pytest
from sound_files import RATE, encode, read, tone

from parrotlet import AudioError

EXACT = {
    "pcm_u8": 2**-7,
    "pcm_s16le": 2**-15,
    "pcm_s24le": 2**-23,
    "pcm_s32le": 2**-24,
    "pcm_f32le": 0.0,
    "pcm_f64le": 0.0,
    "pcm_alaw": 0.02,
    "pcm_mulaw": 0.02,
}


@pytest.mark.parametrize("codec", EXACT)
@pytest.mark.parametrize("channels", [1, 2])
def test_scale(codec: str, channels: int) -> None:
    signal = tone(440, 0.5, level=0.9)
    samples, _ = read(encode(np.tile(signal, (channels, 1)), "wav", codec, RATE))
    assert np.abs(samples - signal).max() <= EXACT[codec]


@pytest.mark.parametrize("scale", [128.0, 32768.0, 2.0**31])
def test_values_far_outside(scale: float) -> None:
    data = encode(tone(440, 0.5) * np.float32(scale), "wav", "pcm_f32le", RATE)
    with pytest.raises(AudioError, match=r"expected in \[-1, 1\]; (divide|scale) them"):
        read(data)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_f64le"])
def test_values_that_are_no_numbers(value: float, codec: str) -> None:
    signal = tone(440, 3)
    signal[34_567] = value
    with pytest.raises(AudioError, match=f"sample 34567 is {value}"):
        read(encode(signal, "wav", codec, RATE))


def test_what_is_loud_is_left() -> None:
    signal = tone(440, 0.5) * np.float32(10)
    samples, warnings = read(encode(signal, "wav", "pcm_f32le", RATE))
    assert np.array_equal(samples, signal)
    assert not warnings
