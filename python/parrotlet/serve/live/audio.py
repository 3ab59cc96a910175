"""Sound as bytes that arrive: to the samples that a model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet.audio.findings import Findings
from parrotlet.audio.mixing import Mixer
from parrotlet.audio.resampling import Resampler
from parrotlet.samples import Samples

RATES = range(8_000, 192_001)
"""Sampling rates in Hz that sound may come at."""

MOST_CHANNELS = 32


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """How bytes stand for sound.

    `unpack` gives a sample in [-1, 1] for each `width` bytes. Samples of several channels take
    turns.
    """

    unpack: Callable[[bytes], Samples]
    width: int
    rate: int
    channels: int = 1


class SoundDecoder:
    """Turns consecutive bytes into samples [n] at a model's rate, several channels into one."""

    def __init__(self, format: SoundFormat, sample_rate: int) -> None:
        """From `format` to `sample_rate` Hz."""
        self._format = format
        self._rest = b""
        self._resample = Resampler(format.rate, sample_rate)
        self._mix = Mixer(None, Findings())

    def __call__(self, data: bytes, last: bool = False) -> Samples:
        """Decode the next bytes; what is no whole sample waits for more. `last` gives out what the
        filter still holds as well, and nothing may follow."""
        format = self._format
        data = self._rest + data
        whole = len(data) - len(data) % (format.width * format.channels)
        self._rest = data[whole:]
        samples = format.unpack(data[:whole])
        if format.channels > 1 and len(samples):
            samples = self._mix(samples.reshape(-1, format.channels).T, format.rate)
        return self._resample(np.ascontiguousarray(samples), last)


def seconds(data: bytes, format: SoundFormat) -> Iterator[bytes]:
    """Divide bytes into those of a second each, and the rest."""
    size = format.rate * format.width * format.channels
    for start in range(0, len(data), size):
        yield data[start : start + size]


def pcm(width: int, rate: int, channels: int = 1) -> SoundFormat:
    """Return linear samples of `width` bytes, little-endian: 8 bits without a sign, others with.

    Raises ValueError for what is no such format.
    """
    if width not in _PCM:
        raise ValueError(f"samples have {width!r} bytes; expected 1, 2, 3 or 4")
    if type(rate) is not int or rate not in RATES:
        raise ValueError(f"the rate is {rate!r}; expected {RATES.start} to {RATES.stop - 1} Hz")
    if type(channels) is not int or not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"there are {channels!r} channels; expected 1 to {MOST_CHANNELS}")
    return SoundFormat(_PCM[width], width, rate, channels)


def pcmu() -> SoundFormat:
    """Return G.711 mu-law at 8 kHz."""
    return SoundFormat(lambda data: _MU_LAW[np.frombuffer(data, np.uint8)], 1, 8_000)


def pcma() -> SoundFormat:
    """Return G.711 A-law at 8 kHz."""
    return SoundFormat(lambda data: _A_LAW[np.frombuffer(data, np.uint8)], 1, 8_000)


def _unsigned_8(data: bytes) -> Samples:
    samples = np.frombuffer(data, np.uint8).astype(np.float32)
    return (samples - np.float32(128)) / np.float32(128)


def _signed_16(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(1 << 15)


def _signed_24(data: bytes) -> Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return _signed_32(wide.tobytes())


def _signed_32(data: bytes) -> Samples:
    return np.frombuffer(data, "<i4").astype(np.float32) / np.float32(1 << 31)


_PCM = {1: _unsigned_8, 2: _signed_16, 3: _signed_24, 4: _signed_32}


def _mu_law() -> Samples:
    """The samples that the bytes of mu-law stand for (ITU-T G.711, table 2)."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 0x07)) - 0x84
    return _signed(size, code & 0x80 == 0)


def _a_law() -> Samples:
    """The samples that the bytes of A-law stand for (ITU-T G.711, table 1)."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code >> 4) & 0x07
    size = ((code & 0x0F) << 4) + np.where(exponent == 0, 0x08, 0x108)
    return _signed(size << np.maximum(exponent - 1, 0), code & 0x80 != 0)


def _signed(size: NDArray[np.int32], positive: NDArray[np.bool_]) -> Samples:
    return (np.where(positive, size, -size) / (1 << 15)).astype(np.float32)


_MU_LAW = _mu_law()
_A_LAW = _a_law()
