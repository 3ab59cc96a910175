"""Decoded frames put together, as arrays: a NumPy call costs more than a frame is worth."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_TYPES = {
    "u8": (np.uint8, 2.0**-7),
    "s16": (np.int16, 2.0**-15),
    "s32": (np.int32, 2.0**-31),
    "s64": (np.int64, 2.0**-63),
    "flt": (np.float32, 1.0),
    "dbl": (np.float64, 1.0),
}
"""NumPy's type of each of FFmpeg's sample formats, and what a unit is worth."""

_PLANES = 8
"""From so many on, not all of PyAV's releases (18) find the planes of all channels."""


class Joiner:
    """Frames of one format, one after the other."""

    def __init__(self) -> None:
        """Begin without any."""
        self.count = 0
        """Samples of each channel that are there."""
        self._kind: tuple[str, int, int] | None = None
        self._fifo = av.AudioFifo()
        self._packer: Any = None

    @property
    def rate(self) -> int:
        """Sampling rate in Hz."""
        return 0 if self._kind is None else self._kind[1]

    def differs(self, frame: Any) -> bool:
        """Whether a frame has another format than those before it, which are to be taken first."""
        return self._kind is not None and _kind(frame) != self._kind

    def add(self, frame: Any) -> None:
        """Add a frame; of those that are there, none has another format."""
        if (kind := _kind(frame)) != self._kind:
            self._kind, self._fifo, self._packer = kind, av.AudioFifo(), None
            if kind[0].endswith("p") and kind[2] >= _PLANES:
                self._packer = av.AudioResampler(kind[0][:-1], frame.layout, kind[1])
        frame.pts = None
        self.count += frame.samples
        if self._packer is None:
            self._fifo.write(frame)
            return
        for packed in self._packer.resample(frame):
            packed.pts = None
            self._fifo.write(packed)

    def take(self) -> NDArray[np.float32]:
        """Return the samples [channels, n] that are there, and begin anew."""
        frame = self._fifo.read(0)
        self.count = 0
        return samples_of(frame)


def _kind(frame: Any) -> tuple[str, int, int]:
    """Format of samples, sampling rate and number of channels."""
    return frame.format.name, frame.sample_rate, frame.layout.nb_channels


def samples_of(frame: Any) -> NDArray[np.float32]:
    """Return the samples [channels, n] of a frame."""
    name, channels, count = frame.format.name, frame.layout.nb_channels, frame.samples
    planar = name.endswith("p")
    dtype, unit = _TYPES[name[:-1] if planar else name]
    samples = np.empty((channels, count), dtype=np.float32)
    if planar:
        for row, plane in zip(samples, frame.planes, strict=True):
            row[:] = np.frombuffer(plane, dtype, count)
    else:
        samples[:] = np.frombuffer(frame.planes[0], dtype, count * channels).reshape(-1, channels).T
    if dtype is np.uint8:
        samples -= 128.0
    if unit != 1.0:
        samples *= np.float32(unit)
    return samples
