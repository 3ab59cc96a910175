"""Recordings that the tests write, with PyAV's encoders, and what can be heard in them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from parrotlet.audio import Recording

RATE = 16_000
HOP = 160  # samples of which a frequency is found

FORMATS: dict[str, tuple[str, str, int]] = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "wav-float": ("wav", "pcm_f32le", 22_050),
    "wav-mulaw": ("wav", "pcm_mulaw", 8_000),
    "wav-adpcm": ("wav", "adpcm_ima_wav", 16_000),
    "w64": ("w64", "pcm_s16le", 16_000),
    "aiff": ("aiff", "pcm_s16be", 16_000),
    "au": ("au", "pcm_s16be", 16_000),
    "caf": ("caf", "pcm_s16be", 16_000),
    "flac": ("flac", "flac", 16_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "mp2": ("mp2", "mp2", 48_000),
    "adts": ("adts", "aac", 44_100),
    "ac3": ("ac3", "ac3", 48_000),
    "m4a": ("ipod", "aac", 44_100),
    "mp4": ("mp4", "aac", 44_100),
    "mov": ("mov", "pcm_s16be", 16_000),
    "ogg-opus": ("ogg", "libopus", 48_000),
    "ogg-flac": ("ogg", "flac", 16_000),
    "webm": ("webm", "libopus", 48_000),
    "mkv": ("matroska", "aac", 44_100),
    "ts": ("mpegts", "aac", 44_100),
    "avi": ("avi", "libmp3lame", 44_100),
    "flv": ("flv", "aac", 44_100),
    "asf": ("asf", "wmav2", 44_100),
    "wavpack": ("wv", "wavpack", 16_000),
    "tta": ("tta", "tta", 16_000),
}
"""Container, codec and sampling rate of each format that is written."""


def tone(hz: float, seconds: float, rate: int = RATE, level: float = 0.3) -> NDArray[np.float32]:
    """A tone that fades in and out for a hundredth of a second."""
    time = np.arange(round(seconds * rate)) / rate
    fade = np.minimum(1, np.minimum(time, seconds - time) * 100)
    return (level * fade * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def encode(
    samples: NDArray[np.float32],
    format: str,
    codec: str,
    rate: int,
    starts: Sequence[tuple[int, float]] = (),
    options: dict[str, str] | None = None,
) -> bytes:
    """A file with `samples` [n] or [channels, n].

    `starts` are pairs of a sample and a time in seconds: from the sample on, time stamps count from
    the time.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=format, options=options or {}) as container:
        write_track(container, samples, codec, rate, starts)
    return file.getvalue()


def write_track(
    container: Any,
    samples: NDArray[np.float32],
    codec: str,
    rate: int,
    starts: Sequence[tuple[int, float]] = (),
) -> Any:
    """Write a sound track into a container."""
    samples = np.atleast_2d(samples)
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}.get(len(samples), f"{len(samples)}c")
    stream = container.add_stream(codec, rate=rate, layout=layout)
    stream.bit_rate = 128_000
    encode_into(container, stream, samples, rate, layout, starts)
    return stream


def encode_into(
    container: Any,
    stream: Any,
    samples: NDArray[np.float32],
    rate: int,
    layout: str,
    starts: Sequence[tuple[int, float]] = (),
) -> None:
    """Encode samples [channels, n]; packets are moved to the times that `starts` give them."""
    packets = []
    step = 1024
    for first in range(0, samples.shape[1], step):
        # Interleaved: PyAV writes no more than eight planes.
        piece = np.ascontiguousarray(samples[:, first : first + step].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, "flt", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), first
        packets += stream.encode(frame)
    packets += stream.encode(None)
    for packet in packets:
        if not starts:
            container.mux(packet)
            continue
        at = packet.pts * packet.time_base
        shift = Fraction(0)
        for sample, time in starts:
            if at >= Fraction(sample, rate):
                shift = Fraction(time).limit_denominator(1000) - Fraction(sample, rate)
        packet.pts = packet.dts = round((at + shift) / packet.time_base)
        container.mux(packet)


def make(name: str, samples_at: Any) -> bytes:
    """A file in one of `FORMATS`; `samples_at(rate)` gives the samples."""
    format, codec, rate = FORMATS[name]
    return encode(samples_at(rate), format, codec, rate)


def tone_file(name: str, hz: float, seconds: float = 1.0) -> bytes:
    """A file in one of `FORMATS` with a tone."""
    return make(name, lambda rate: tone(hz, seconds, rate))


def read(data: bytes, **options: Any) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Samples at `RATE` of a file, and the warnings about it."""
    recording = Recording(io.BytesIO(data), **options)
    samples = np.concatenate(list(recording.blocks(RATE)))
    return samples, recording.warnings


def joins(data: bytes) -> list[float]:
    """Positions in seconds at which another recording begins."""
    recording = Recording(io.BytesIO(data))
    for _ in recording.blocks(RATE):
        pass
    return [join / RATE for join in recording.joins]


def heard(samples: NDArray[np.float32]) -> list[tuple[float, float, float]]:
    """The tones in samples at `RATE`: frequency in Hz, start and end in seconds."""
    count = len(samples) // HOP
    frames = samples[: count * HOP].reshape(count, HOP) * np.hanning(HOP)
    spectrum = np.abs(np.fft.rfft(frames, 4096, axis=1))
    frequencies = spectrum.argmax(axis=1) * RATE / 4096
    loud = np.sqrt((frames**2).mean(axis=1)) > 0.02
    tones: list[tuple[float, float, float]] = []
    for i in np.flatnonzero(loud):
        begin, hz = i * HOP / RATE, frequencies[i]
        if tones and abs(hz - tones[-1][0]) < 60 and begin - tones[-1][2] < 0.03:
            tones[-1] = (tones[-1][0], tones[-1][1], begin + HOP / RATE)
        else:
            tones.append((float(hz), begin, begin + HOP / RATE))
    return [found for found in tones if found[2] - found[1] > 0.05]


def assert_heard(
    samples: NDArray[np.float32], wanted: Sequence[tuple[float, float, float]], within: float = 0.09
) -> None:
    """Check which tones there are, and when."""
    found = heard(samples)
    assert [round(f[0] / 100) for f in found] == [round(w[0] / 100) for w in wanted], found
    for (_, start, end), (_, want_start, want_end) in zip(found, wanted, strict=True):
        assert abs(start - want_start) < within, (found, wanted)
        assert abs(end - want_end) < within, (found, wanted)


def wav_header(size: int, before: bytes = b"", riff: int | None = None, rate: int = RATE) -> bytes:
    """The header of a 16-bit mono WAV file that says `size` bytes of samples."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", size if riff is None else riff, b"WAVE")
        + form
        + before
        + struct.pack("<4sI", b"data", size)
    )


def pcm(samples: NDArray[np.float32], order: str = "<") -> bytes:
    """Samples as 16-bit integers."""
    return (samples * 32767).astype(f"{order}i2").tobytes()
