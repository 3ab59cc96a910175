"""Reading recordings: any format, sampling rate and channel count, to mono float32.

libsndfile reads what it knows, and PyAV (`media`), where it is installed, everything else. Files
are read, mixed down and resampled block by block, so that beside the result only one block of the
original is in memory.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from parrotlet.errors import AudioError
from parrotlet.samples import check_finite

BLOCK_VALUES = 1 << 18
"""Samples of all channels together that are read at a time."""

RATES = (1_000, 1_000_000)
"""Sampling rates in Hz that a recording may claim; outside of them its header is damaged."""

SPOOLED_BYTES = 64 << 20
"""What is kept in memory of a recording that arrives through a pipe; a longer one goes to disk."""

_FORMATS = "WAV, FLAC, OGG and MP3"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

Source = str | os.PathLike[str] | BinaryIO
"""Where a recording is: a path, or a binary file with the contents of one."""


class Decoder(Protocol):
    """A recording that is open: its sampling rate in Hz, its channels, its length in seconds."""

    samplerate: int
    channels: int

    @property
    def seconds(self) -> float | None:
        """Length as the header has it; None where it does not say."""

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """Give samples [n, channels], `frames` at a time until the last."""

    def close(self) -> None:
        """Close the file."""


class Recording:
    """A recording that can be read as often as needed, for one channel after the other."""

    def __init__(self, source: Source) -> None:
        """Look at the header of `source`; a pipe is read to its end.

        Raises AudioError if there is no such file, or it is no audio.
        """
        self.name = describe(source)
        self._source = _seekable(source, self.name)
        with self._decoder() as decoder:
            self.channels = decoder.channels
            self.seconds = decoder.seconds
            rate = decoder.samplerate
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioError(
                f"{self.name}: claims a sampling rate of {rate} Hz; "
                f"expected {RATES[0]} to {RATES[1]}"
            )

    def check_channel(self, channel: int | None) -> None:
        """Raise AudioError if there is no channel of this number, counted from 1."""
        if channel is not None and not 1 <= channel <= self.channels:
            has = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            raise AudioError(f"{self.name}: has {has}; there is no channel {channel}")

    def blocks(
        self, sample_rate: int, channel: int | None = None, block_values: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Give the samples at `sample_rate` Hz: of one channel, or the mean of all.

        `block_values` samples of all channels together are read at a time. Raises AudioError when
        the reading gets to what is wrong: a sample that is no finite number, a damaged file; and
        at the end, if there was no sample at all.
        """
        self.check_channel(channel)
        with self._decoder() as decoder:
            resample = Resampler(decoder.samplerate, sample_rate)
            size = max(1, (block_values or BLOCK_VALUES) // decoder.channels)
            done = 0
            for block in decoder.blocks(size):
                mono = _mono(block, channel)
                check_finite(mono, self.name, done)
                done += len(mono)
                yield resample(mono)
            yield resample(np.empty(0, dtype=np.float32), last=True)
        if not done:
            raise AudioError(f"{self.name}: the recording is empty (0 samples)")

    @contextmanager
    def _decoder(self) -> Iterator[Decoder]:
        """Open the recording at its start."""
        try:
            decoder = _open(self._source, self.name)
            try:
                yield decoder
            finally:
                decoder.close()
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self.name}: cannot be read as audio ({_reason(error)})") from error


def read_audio(source: Source, sample_rate: int, channel: int | None = None) -> NDArray[np.float32]:
    """Read a recording as float32 samples [n] at `sample_rate` Hz: a channel, or the mean of all.

    `source` is a path or a binary file with the contents of one; `channel` counts from 1. Raises
    AudioError if there is no such file, or it is no audio, holds no samples or no such channel, or
    some sample is not a finite number.
    """
    result = _Growing()
    for block in read_blocks(source, sample_rate, channel=channel):
        result.append(block)
    return result.take()


def read_blocks(
    source: Source,
    sample_rate: int,
    block_values: int | None = None,
    channel: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Read a recording like `read_audio`, as consecutive blocks of samples.

    `block_values` samples of all channels together are read at a time, `BLOCK_VALUES` unless told.
    Raises AudioError like `read_audio`, but only when the reading gets to what is wrong.
    """
    yield from Recording(source).blocks(sample_rate, channel, block_values)


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


def describe(source: object) -> str:
    """Name of a source of audio for messages: its path, or what it is."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio stream"


def arrives(source: Source) -> bool:
    """Whether a source is a pipe, which may keep its reader waiting."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source).is_fifo()
    return not source.seekable()


def _seekable(source: Source, name: str) -> bytes | str | BinaryIO:
    """Return what a decoder can open several times: a path, or a file that seeks."""
    if not isinstance(source, (str, os.PathLike)):
        return _with_contents(source, name) if source.seekable() else _spooled(source, name)
    text = os.fspath(source)
    if not text:
        raise AudioError("'': the name of a recording is empty")
    if _URL.match(text):
        raise AudioError(f"{name}: is an address; download the recording and name the file")
    path = Path(text)
    if path.is_dir():
        raise AudioError(f"{name}: is a directory; name the recordings in it")
    if not path.exists():
        raise AudioError(f"{name}: no such file")
    try:
        with path.open("rb") as file:
            if not path.is_file():
                return _spooled(file, name)
            # libsndfile itself says no more than "System error" of a file it cannot open.
            if not file.read(1):
                raise AudioError(f"{name}: the file is empty (0 bytes)")
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror})") from error
    # Bytes keep a name that is not valid in the file system's encoding.
    return str(path) if os.name == "nt" else os.fsencode(path)


def _with_contents(file: BinaryIO, name: str) -> BinaryIO:
    """Return a file that seeks, at its start."""
    file.seek(0)
    if not file.read(1):
        raise AudioError(f"{name}: the file is empty (0 bytes)")
    file.seek(0)
    return file


def _spooled(stream: BinaryIO, name: str) -> BinaryIO:
    """Return the contents of a pipe in a file that seeks, as decoders need."""
    data = stream.read(SPOOLED_BYTES)
    if not data:
        raise AudioError(f"{name}: no data arrived")
    if len(data) < SPOOLED_BYTES:
        return io.BytesIO(data)
    file = tempfile.TemporaryFile()  # noqa: SIM115 (it is gone when nobody holds it)
    try:
        file.write(data)
        shutil.copyfileobj(stream, file)
    except OSError as error:
        with suppress(OSError):
            file.close()
        raise AudioError(
            f"{name}: does not fit into {tempfile.gettempdir()} ({error.strerror}); "
            "set TMPDIR to a directory with more room, or name a file"
        ) from error
    file.seek(0)
    return file


def _open(source: bytes | str | BinaryIO, name: str) -> Decoder:
    """Open with libsndfile, or else with PyAV."""
    if not isinstance(source, (bytes, str)):
        source.seek(0)
    try:
        return _SoundFile(source)
    except TypeError as error:
        # soundfile takes the extension .raw to mean samples without a header.
        raise AudioError(
            f"{name}: raw samples have no header to read; convert them: "
            "ffmpeg -f s16le -ar RATE -ac CHANNELS -i INPUT output.wav"
        ) from error
    except soundfile.LibsndfileError as error:
        try:
            from parrotlet.media import Container
        except ImportError:
            raise AudioError(
                f"{name}: cannot be read as audio ({_reason(error)}); supported are {_FORMATS}, "
                "and with pip install 'parrotlet[av]' video and every other container"
            ) from error
        if not isinstance(source, (bytes, str)):
            source.seek(0)
        return Container(os.fsdecode(source) if isinstance(source, bytes) else source, name)


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string.strip().rstrip("."))


def _mono(block: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """One channel of samples [n, channels], or their mean."""
    if channel is not None:
        return np.ascontiguousarray(block[:, channel - 1])
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


class _SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read from start to end and never told to seek.

    soundfile seeks to where it already is after each read of a seekable file; for MP3 that resets
    the decoder, and the next block begins with garbage.
    """

    def seekable(self) -> bool:
        return False

    @property
    def seconds(self) -> float | None:
        # Streams do not know their length, and say the largest number there is.
        known = 0 < self.frames < 1 << 60
        return float(self.frames / self.samplerate) if known else None

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        while True:
            # The header's length is not trusted: damaged files lie.
            block = self.read(out=np.empty((frames, self.channels), dtype=np.float32))
            yield block
            if len(block) < frames:
                return


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
