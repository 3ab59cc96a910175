"""Reading the sound of video and of every container that FFmpeg knows, with PyAV.

Importing this module raises ImportError where PyAV is missing (extra `av`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import av  # type: ignore[import-not-found,unused-ignore]
import av.error  # type: ignore[import-not-found,unused-ignore]
import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import AudioError

MAX_LATE_SECONDS = 3600.0
"""Longest time after the start of a container at which its sound is believed to begin."""


class Container:
    """The first sound track of a media file, decoded from start to end."""

    def __init__(self, source: str | BinaryIO, name: str) -> None:
        """Open; raises AudioError for what is no media file, or has no sound."""
        self._name = name
        self._container: Any
        try:
            self._container = av.open(source, metadata_errors="ignore")
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise self._unreadable(error) from error
        if not self._container.streams.audio:
            self._container.close()
            raise AudioError(f"{name}: cannot be read as audio (there is no sound track in it)")
        self._stream = self._container.streams.audio[0]
        if self._stream.codec_context is None:
            self._container.close()
            raise AudioError(f"{name}: cannot be read as audio (its codec is not known)")
        self.samplerate = self._stream.rate or 0
        self.channels = max(1, self._stream.channels or 0)

    @property
    def seconds(self) -> float | None:
        """Length as the container has it."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None:
            return float(self._container.duration / av.time_base)
        return None

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """Give samples [n, channels], about `frames` at a time."""
        pending: list[NDArray[np.float32]] = []
        size = 0
        for samples in self._decode():
            pending.append(samples)
            size += len(samples)
            if size >= frames:
                yield np.concatenate(pending)
                pending, size = [], 0
        if pending:
            yield np.concatenate(pending)

    def _decode(self) -> Iterator[NDArray[np.float32]]:
        # Interleaved: of planes PyAV (18) reads more than there are where there are 8 or more.
        resampler = av.AudioResampler(
            format="flt", layout=self._stream.layout, rate=self.samplerate
        )
        first = True
        try:
            for frame in self._container.decode(self._stream):
                if first:
                    yield from self._lead(frame.time)
                    first = False
                for part in resampler.resample(frame):
                    yield self._samples(part)
            for part in resampler.resample(None):
                yield self._samples(part)
        except (av.error.FFmpegError, ValueError) as error:
            raise self._unreadable(error) from error

    def _samples(self, frame: Any) -> NDArray[np.float32]:
        """Samples [n, channels] of an interleaved frame."""
        if frame.layout.nb_channels != self.channels:
            raise ValueError(f"{frame.layout.nb_channels} channels instead of {self.channels}")
        return np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1, self.channels)

    def _lead(self, time: float | None) -> Iterator[NDArray[np.float32]]:
        """Silence until the sound begins, so that times are those of the picture."""
        begin = (self._container.start_time or 0) / av.time_base
        late = 0.0 if time is None else time - begin
        if not 0.0 < late <= MAX_LATE_SECONDS:
            return
        left = round(late * self.samplerate)
        while left > 0:
            size = min(left, self.samplerate)
            yield np.zeros((size, self.channels), dtype=np.float32)
            left -= size

    def _unreadable(self, error: Exception) -> AudioError:
        reason = getattr(error, "strerror", None) or str(error)
        return AudioError(f"{self._name}: cannot be read as audio ({reason})")
