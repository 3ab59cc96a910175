"""Reading recordings: any format libsndfile knows, any rate and channel count, to mono float32.

Files are read, mixed down and resampled block by block, so that beside the result only one block
of the original is in memory.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from parrotlet.errors import AudioError

BLOCK_VALUES = 1 << 20
"""Samples of all channels together that are read at a time."""

RATES = (1_000, 1_000_000)
"""Sampling rates in Hz that a recording may claim; outside of them its header is damaged."""

_FORMATS = "WAV, FLAC, OGG and MP3 (convert others with: ffmpeg -i INPUT output.wav)"


def read_audio(source: str | os.PathLike[str] | BinaryIO, sample_rate: int) -> NDArray[np.float32]:
    """Read a recording as float32 samples [n] at `sample_rate` Hz, the mean of its channels.

    `source` is a path or a binary file with the contents of one. Raises AudioError if there is
    no such file, or it is no audio, holds no samples, or some sample is not a finite number.
    """
    result = _Growing()
    for block in read_blocks(source, sample_rate):
        result.append(block)
    return result.take()


def read_blocks(
    source: str | os.PathLike[str] | BinaryIO, sample_rate: int, block_values: int | None = None
) -> Iterator[NDArray[np.float32]]:
    """Read a recording like `read_audio`, as consecutive blocks of samples.

    `block_values` samples of all channels together are read at a time, `BLOCK_VALUES` unless told.
    Raises AudioError like `read_audio`, but only when the reading gets to what is wrong.
    """
    name = describe(source)
    empty = True
    try:
        with _Sequential(_open(source, name)) as file:
            for block in _mono(file, sample_rate, name, block_values or BLOCK_VALUES):
                empty = empty and not len(block)
                yield block
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise AudioError(
            f"{name}: cannot be read as audio ({reason}); supported are {_FORMATS}"
        ) from error
    except TypeError as error:
        # soundfile takes the extension .raw to mean samples without a header.
        raise AudioError(
            f"{name}: raw samples have no header to read; supported are {_FORMATS}"
        ) from error
    if empty:
        raise AudioError(f"{name}: the recording is empty (0 samples)")


class Resampler:
    """Converts consecutive blocks of samples [n] from one rate in Hz to another."""

    def __init__(self, rate: int, sample_rate: int) -> None:
        """From `rate` to `sample_rate`; equal rates leave the samples as they are."""
        self._stream = None
        if rate != sample_rate:
            self._stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")

    def __call__(self, samples: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        """Convert the next block; `last` gives out what the filter still holds as well."""
        if self._stream is None:
            return samples
        converted: NDArray[np.float32] = self._stream.resample_chunk(samples, last=last)
        return converted


def check_samples(
    samples: object, name: str = "audio", start: int = 0, allow_empty: bool = False
) -> NDArray[np.float32]:
    """Return an array of samples [n] as float32 in [-1, 1].

    Accepts one-dimensional float32, float64 and float16 arrays, and int16 and int32 ones, which
    are scaled. Raises ValueError for another type or shape and AudioError for values that are not
    finite, counting from `start`, or for no samples unless `allow_empty`.
    """
    array = np.asarray(samples)
    if array.ndim != 1:
        hint = "; for several channels pass their mean" if array.ndim == 2 else ""
        raise ValueError(f"{name} has shape {array.shape}; expected one dimension [samples]{hint}")
    if array.dtype in (np.int16, np.int32):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    elif array.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"{name} has dtype {array.dtype}; expected float32 in [-1, 1], or int16 or int32"
        )
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not len(array) and not allow_empty:
        raise AudioError(f"{name}: the recording is empty (0 samples)")
    check_finite(array, name, start)
    return array


def check_finite(samples: NDArray[np.float32], name: str, start: int = 0) -> None:
    """Raise AudioError if a sample is NaN or infinite; `start` is the index of the first."""
    finite = np.isfinite(samples)
    if not finite.all():
        index = int(finite.argmin())
        raise AudioError(
            f"{name}: sample {start + index} is {samples[index]}; "
            "every sample must be a finite number"
        )


def describe(source: object) -> str:
    """Name of a source of audio for messages: its path, or what it is."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio stream"


def _open(source: str | os.PathLike[str] | BinaryIO, name: str) -> bytes | str | BinaryIO:
    """Return what soundfile can open: a path, or a stream that seeks."""
    if not isinstance(source, (str, os.PathLike)):
        return source if source.seekable() else _buffered(source, name)
    path = Path(os.fspath(source))
    if path.is_dir():
        raise AudioError(f"{name}: is a directory; name the recordings in it")
    if not path.exists():
        raise AudioError(f"{name}: no such file")
    try:
        with path.open("rb") as file:
            if not path.is_file():
                return _buffered(file, name)
            # libsndfile itself says no more than "System error" of a file it cannot open.
            if not file.read(1):
                raise AudioError(f"{name}: the file is empty (0 bytes)")
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror})") from error
    # Bytes keep a name that is not valid in the file system's encoding.
    return str(path) if os.name == "nt" else os.fsencode(path)


def _buffered(stream: BinaryIO, name: str) -> BinaryIO:
    """Return the contents of a pipe: libsndfile needs to seek."""
    data = stream.read()
    if not data:
        raise AudioError(f"{name}: no data arrived")
    return io.BytesIO(data)


def _mono(
    file: _Sequential, sample_rate: int, name: str, block_values: int
) -> Iterator[NDArray[np.float32]]:
    """Read, mix down and resample the whole of `file`."""
    rate, channels = file.samplerate, file.channels
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(
            f"{name}: claims a sampling rate of {rate} Hz; expected {RATES[0]} to {RATES[1]}"
        )
    resample = Resampler(rate, sample_rate)
    size = max(1, block_values // channels)
    done = 0
    last = False
    while not last:
        # The header's length is not trusted: streams do not know theirs, damaged files lie.
        block = file.read(out=np.empty((size, channels), dtype=np.float32))
        last = len(block) < size
        mono = block[:, 0] if channels == 1 else block.mean(axis=1, dtype=np.float32)
        check_finite(mono, name, done)
        done += len(block)
        yield resample(mono, last)


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read from start to end and never told to seek.

    soundfile seeks to where it already is after each read of a seekable file; for MP3 that resets
    the decoder, and the next block begins with garbage.
    """

    def seekable(self) -> bool:
        return False


class _Growing:
    """An array that grows at its end, with one copy of the samples in memory."""

    def __init__(self) -> None:
        self._data = np.empty(1 << 16, dtype=np.float32)
        self._size = 0

    def append(self, values: NDArray[np.float32]) -> None:
        end = self._size + len(values)
        if end > len(self._data):
            # In place, unlike np.resize: the allocator can often extend or remap the block.
            self._data.resize(max(end, len(self._data) * 3 // 2), refcheck=False)
        self._data[self._size : end] = values
        self._size = end

    def take(self) -> NDArray[np.float32]:
        self._data.resize(self._size, refcheck=False)
        return self._data
