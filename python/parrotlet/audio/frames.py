"""Decoded frames put together, as arrays: a NumPy call costs more than a frame is worth."""

from __future__ import annotations

from typing import Any

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
        self.rate = 0
        """Sampling rate in Hz of the frames that were added last."""
        self._format = ""
        self._channels = 0
        self._fifo: Any = None
        self._packer: Any = None

    @property
    def bounded(self) -> bool:
        """Whether samples are integers, so that none can be beyond full scale."""
        return not self._format.startswith(("flt", "dbl"))

    def differs(self, frame: Any) -> bool:
        """Whether a frame has another format than those before it, which are to be taken first."""
        rate = self.rate
        return rate != 0 and bool(
            frame.sample_rate != rate
            or frame.layout.nb_channels != self._channels
            or frame.format.name != self._format
        )

    def add(self, frame: Any) -> None:
        """Add a frame; of those that are there, none has another format."""
        if not self.count and (not self.rate or self.differs(frame)):
            self._begin(frame)
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

    def _begin(self, frame: Any) -> None:
        """Begin with frames of another format."""
        import av

        self._format, self.rate = frame.format.name, frame.sample_rate
        self._channels = frame.layout.nb_channels
        self._fifo, self._packer = av.AudioFifo(), None
        if self._format.endswith("p") and self._channels >= _PLANES:
            self._packer = av.AudioResampler(self._format[:-1], frame.layout, self.rate)


def samples_of(frame: Any) -> NDArray[np.float32]:
    """Return the samples [channels, n] of a frame."""
    name, channels, count = frame.format.name, frame.layout.nb_channels, frame.samples
    planar = name.endswith("p")
    dtype, unit = _TYPES[name[:-1] if planar else name]
    samples = np.empty((channels, count), dtype=np.float32)
    if planar:
        for row, plane in zip(samples, frame.planes, strict=True):
            _assign(row, np.frombuffer(plane, dtype, count))
    else:
        packed = np.frombuffer(frame.planes[0], dtype, count * channels)
        _assign(samples, packed.reshape(-1, channels).T)
    if dtype is np.uint8:
        samples -= 128.0
    if unit != 1.0:
        samples *= np.float32(unit)
    return samples


def _assign(samples: NDArray[np.float32], values: NDArray[Any]) -> None:
    if values.dtype != np.float64:
        samples[:] = values
        return
    with np.errstate(over="ignore", invalid="ignore"):  # of values that are no sound
        samples[:] = values
