"""Where `parrotlet stream` takes samples from: recordings, raw samples from a pipe, a microphone.

Every source gives blocks of float32 samples [n] at the model's sampling rate.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

import numpy as np

from parrotlet.audio import Resampler, read_blocks
from parrotlet.cli import sniffing
from parrotlet.cli.console import complain
from parrotlet.errors import AudioError
from parrotlet.samples import Samples

PIECE_SECONDS = 0.08
"""Length of the pieces in which a live signal arrives: one encoder frame."""

RAW_RATE = 16_000
"""Sampling rate in Hz of raw samples."""


def recording(path: str, sample_rate: int) -> Iterator[Samples]:
    """Read the recording `path` a second or less at a time."""
    return read_blocks(path, sample_rate, block_values=sample_rate)


def paced(
    blocks: Iterable[Samples],
    sample_rate: int,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Samples]:
    """Cut `blocks` into short pieces and give out each when it would have been recorded."""
    size = round(PIECE_SECONDS * sample_rate)
    start, done = now(), 0
    for block in blocks:
        for first in range(0, len(block), size):
            piece = block[first : first + size]
            done += len(piece)
            # Measured from the start, so that the time which recognition takes is no delay.
            sleep(max(0.0, start + done / sample_rate - now()))
            yield piece


def raw_samples(file: BinaryIO, sample_rate: int) -> Iterator[Samples]:
    """Read 16-bit little-endian mono samples at 16 kHz, without a header, as they arrive."""
    resample = Resampler(RAW_RATE, sample_rate)
    # At most one read of the pipe, which returns what is there.
    read = getattr(file, "read1", file.read)
    rest = b""
    for data in chain([_checked_start(read)], iter(partial(read, 1 << 16), b"")):
        rest += data
        whole = len(rest) // 2 * 2
        yield resample(_decode(rest[:whole]))
        rest = rest[whole:]
    whole = len(rest) // 2 * 2
    if whole < len(rest):
        complain("-: the last byte is half a sample, and left out")
    yield resample(_decode(rest[:whole]), last=True)


def _decode(data: bytes) -> Samples:
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)


def _checked_start(read: Callable[[int], bytes]) -> bytes:
    """Read as much as it takes to see that it is no file; raises AudioError if it is one."""
    start = b""
    wanted = sniffing.HEAD_BYTES
    while len(start) < wanted and (data := read(1 << 16)):
        start += data
        if len(start) >= wanted and sniffing.may_be_frames(start):
            wanted = sniffing.FRAMES_BYTES
    found = sniffing.what_it_is(start)
    if found is not None:
        name, remedy = found
        raise AudioError(
            f"-: this is {name}, and raw 16-bit samples at 16 kHz are expected; {remedy}"
        )
    if len(start) < 2:
        raise AudioError("-: no samples arrived on standard input")
    return start


def microphone(sample_rate: int) -> Iterator[Samples]:
    """Record from the default input device, without end.

    Raises AudioError where the package `sounddevice` or a device is missing.
    """
    sounddevice = _sounddevice()
    rate = _device_rate(sounddevice, sample_rate)
    try:
        device = sounddevice.InputStream(samplerate=rate, channels=1, dtype="float32")
    except sounddevice.PortAudioError as error:
        raise _unusable(error) from error
    return _record(device, rate, sample_rate, sounddevice.PortAudioError)


def _record(
    device: Any, rate: int, sample_rate: int, device_error: type[Exception]
) -> Iterator[Samples]:
    resample = Resampler(rate, sample_rate)
    complained = False
    try:
        with device:
            while True:
                data, lost = device.read(round(PIECE_SECONDS * rate))
                if lost and not complained:
                    complain("--mic: recognition does not keep up; some of the sound is lost")
                    complained = True
                yield resample(data[:, 0])
    except device_error as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> AudioError:
    return AudioError(
        f"--mic: the microphone cannot be used ({error}); python -m sounddevice lists the devices"
    )


def _sounddevice() -> Any:
    try:
        import sounddevice  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise AudioError(
            "--mic: the package sounddevice is missing; install it: pip install 'parrotlet[mic]'"
        ) from error
    except OSError as error:
        # The package is there without the library that it wraps.
        raise AudioError(
            f"--mic: {error}; install PortAudio, for example: apt-get install libportaudio2"
        ) from error
    return sounddevice


def _device_rate(sounddevice: Any, sample_rate: int) -> int:
    """Return `sample_rate` if the device records at it, or else the device's own rate."""
    try:
        device = sounddevice.query_devices(kind="input")
    except (ValueError, sounddevice.PortAudioError) as error:
        raise AudioError(f"--mic: there is no microphone ({error})") from error
    try:
        sounddevice.check_input_settings(channels=1, dtype="float32", samplerate=sample_rate)
    except sounddevice.PortAudioError:
        return int(device["default_samplerate"])
    return sample_rate


def standard_input(sample_rate: int) -> Iterator[Samples]:
    """Read raw samples from standard input."""
    if sys.stdin.isatty():
        raise AudioError("-: standard input is a terminal; pipe raw 16 kHz samples into it")
    return raw_samples(sys.stdin.buffer, sample_rate)
