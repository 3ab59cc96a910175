"""What the functions of the package take as a recording: files, open files and samples."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet.architectures.features import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from parrotlet.audio import Recording, Resampler, Track, check_seconds, describe
from parrotlet.samples import check_samples

Audio: TypeAlias = "str | os.PathLike[str] | BinaryIO | ArrayLike | Mapping[str, Any]"
"""A path, a binary file with the contents of one, samples [n], or samples with their rate as
`{"array": samples, "sampling_rate": Hz}`, which is how the package `datasets` gives them."""

BLOCK_SAMPLES = 1 << 18
"""Samples that are resampled at a time."""


class SampleRecording:
    """Samples in memory, to be read like a `Recording` of one channel."""

    channels = 1
    tracks: tuple[Track, ...] = ()
    track: Track | None = None
    warnings: tuple[str, ...] = ()
    joins: Sequence[int] = ()

    def __init__(
        self, samples: object, sampling_rate: int | None, name: str, max_seconds: float = math.inf
    ) -> None:
        """Take samples [n] at `sampling_rate` Hz, None for that of the model.

        `name` is for messages. Raises ValueError and AudioError like `check_samples`.
        """
        self._max_seconds = max_seconds
        self.name = name
        self._samples = check_samples(samples, name)
        self._rate = sampling_rate

    @property
    def seconds(self) -> float | None:
        """Length; None at the model's own rate, which is not known here."""
        return None if self._rate is None else len(self._samples) / self._rate

    def blocks(self, sample_rate: int, channel: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Give the samples at `sample_rate` Hz.

        Raises ValueError for a channel but the first, and LengthError for too many.
        """
        if channel not in (None, 1):
            raise self.no_channels()
        seconds = len(self._samples) / (self._rate or sample_rate)
        check_seconds(seconds, self._max_seconds, self.name)
        if self._rate in (None, sample_rate):
            yield self._samples
            return
        resample = Resampler(self._rate, sample_rate)
        for start in range(0, len(self._samples), BLOCK_SAMPLES):
            yield resample(self._samples[start : start + BLOCK_SAMPLES])
        yield resample(np.empty(0, dtype=np.float32), last=True)

    def no_channels(self) -> ValueError:
        """Say that there is nothing to choose from."""
        return ValueError(
            f"{self.name}: samples [n] are one channel; pass those of each channel by themselves"
        )


Opened: TypeAlias = Recording | SampleRecording
"""A recording that can be read."""


def is_file(audio: object) -> bool:
    """Whether something is a path or an open file rather than samples."""
    return isinstance(audio, (str, os.PathLike)) or hasattr(audio, "read")


def name_of(audio: object, otherwise: str) -> str:
    """Name of a recording for messages: of a file, or `otherwise`."""
    try:
        return os.fsdecode(describe(audio)) if is_file(audio) else otherwise
    except Exception:  # of an object of the caller; raised again when it is opened
        return otherwise


@dataclass(frozen=True, slots=True)
class Reading:
    """How a recording is read.

    `track`, from 1, is a sound track of a video, None for the choice that `Model.transcribe`
    describes. `channel`, from 1, is the one to transcribe, None for a mixture of all;
    `split_channels` transcribes each by itself. `sampling_rate`, in Hz, is that of samples in
    memory, None for the model's. A recording of more than `max_seconds` is not read to its end.

    Raises ValueError for a rate that no recording has, for a channel beside `split_channels`, and
    for `max_seconds` that are not above 0.
    """

    track: int | None = None
    channel: int | None = None
    split_channels: bool = False
    sampling_rate: int | None = None
    max_seconds: float = math.inf

    def __post_init__(self) -> None:
        """Check what can be checked without a recording."""
        _checked_rate(self.sampling_rate)
        if not self.max_seconds > 0:
            raise ValueError(f"max_seconds is {self.max_seconds!r}; expected a number above 0")
        if self.split_channels and self.channel is not None:
            raise ValueError(
                f"channel is {self.channel!r}, but split_channels transcribes every channel; leave "
                "one of them out"
            )

    def open(self, audio: Any, name: str = "audio") -> Opened:
        """Open what is passed as a recording; `name` is that of samples, for messages.

        Raises AudioError if it cannot be used, TypeError for what can be no recording and
        ValueError for the rate of a file, or a track of samples.
        """
        rate = self.sampling_rate
        if is_file(audio):
            if rate is not None:
                raise ValueError(
                    f"sampling_rate is {rate!r}, but {describe(audio)} is a file and has its own; "
                    "leave it out"
                )
            return Recording(audio, self.track, self.max_seconds)
        if isinstance(audio, Mapping):
            audio, rate = _of_mapping(audio, rate, name)
        _check_kind(audio, name)
        if self.track not in (None, 1):
            raise ValueError(f"{name}: samples are one track; there is no track {self.track}")
        return SampleRecording(audio, _checked_rate(rate), name, self.max_seconds)

    def channels_of(self, recording: Opened) -> list[int | None]:
        """Return the channels to transcribe, each by itself: None for their mixture.

        Raises ValueError for the channels of samples.
        """
        if not self.split_channels:
            return [self.channel]
        if isinstance(recording, SampleRecording):
            raise recording.no_channels()
        return list(range(1, recording.channels + 1))


def path_of(recording: Opened) -> str | None:
    """Path that results name a recording by; None for samples."""
    return None if isinstance(recording, SampleRecording) else recording.name


def check_recordings(recordings: object) -> None:
    """Raise TypeError for a single recording where several are expected."""
    found = None
    if isinstance(recordings, (str, os.PathLike)):
        found = f"the name {os.fspath(recordings)!r}"
    elif isinstance(recordings, (bytes, bytearray, memoryview)):
        found = "bytes"
    elif hasattr(recordings, "read"):
        found = "an open file"
    elif isinstance(recordings, Mapping) and "array" in recordings:
        found = "one recording"
    elif _is_numbers(recordings):
        found = "the samples of one recording"
    elif not isinstance(recordings, Iterable):
        found = type(recordings).__name__
    if found is not None:
        raise TypeError(
            f"recordings is {found}; expected a list of recordings: put one into brackets, "
            "transcribe_batch([recording]), or use transcribe(recording)"
        )


def _is_numbers(values: object) -> bool:
    if isinstance(values, (list, tuple)):
        return bool(values) and isinstance(values[0], (int, float, np.number))
    return hasattr(values, "__array__") and np.asarray(values).dtype.kind in "biufc"


def _of_mapping(
    audio: Mapping[str, Any], sampling_rate: int | None, name: str
) -> tuple[Any, int | None]:
    if "array" not in audio or "sampling_rate" not in audio:
        keys = ", ".join(repr(key) for key in audio)
        raise TypeError(
            f"{name} is a mapping with {keys or 'no keys'}; expected "
            "{'array': samples, 'sampling_rate': rate}, a path, or io.BytesIO(bytes of a file)"
        )
    if sampling_rate not in (None, audio["sampling_rate"]):
        raise ValueError(
            f"sampling_rate is {sampling_rate!r}, but {name} says {audio['sampling_rate']!r}; "
            "leave it out"
        )
    return audio["array"], audio["sampling_rate"]


def _check_kind(audio: object, name: str) -> None:
    """Raise TypeError for what cannot be samples, and say what it should be instead."""
    remedy = None
    if isinstance(audio, (bytes, bytearray)):
        remedy = "pass the bytes of a sound file as io.BytesIO(bytes)"
    elif audio is None:
        remedy = "pass a path, a file open in binary mode, or samples"
    elif isinstance(audio, (tuple, list)) and len(audio) == 2 and _is_pair(audio):
        remedy = "pass samples and their rate as transcribe(samples, sampling_rate=rate)"
    if remedy is not None:
        raise TypeError(f"{name} is {type(audio).__name__}; {remedy}")


def _is_pair(values: Sequence[Any]) -> bool:
    """Whether one is a number and the other an array, in whichever order."""
    return sorted(np.ndim(value) > 0 for value in values) == [False, True]


def _checked_rate(rate: Any) -> int | None:
    if rate is None:
        return None
    try:
        whole = int(rate)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if whole != rate or not MIN_SAMPLE_RATE <= whole <= MAX_SAMPLE_RATE:
        raise ValueError(
            f"sampling_rate is {rate!r}; expected a whole number of Hz from {MIN_SAMPLE_RATE} "
            f"to {MAX_SAMPLE_RATE}"
        )
    return whole
