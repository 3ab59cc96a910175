"""WAV files of 16-bit samples are read without FFmpeg, and give what it gives."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sound_files import RATE, make, pcm, tone, wav_header

from parrotlet import AudioError
from parrotlet.audio import Recording
from parrotlet.audio.bare_samples import BareSamples
from parrotlet.audio.source import Contents
from parrotlet.audio.window import windows

SOUND = tone(440.0, 3.3)


def stereo(rate: int) -> bytes:
    """Two channels: a tone in one of them, fainter in the other."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, rate, 4 * rate, 4, 16)
    data = pcm(np.stack([SOUND, 0.25 * SOUND], axis=1).ravel())
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
        + form
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


DATA = pcm(SOUND)
MONO = wav_header(len(DATA)) + DATA
FILES = {
    "mono": MONO,
    "telephone": wav_header(len(DATA), rate=8_000) + DATA,
    "studio": wav_header(len(DATA), rate=48_000) + DATA,
    "stereo": stereo(16_000),
    "chunks": wav_header(len(DATA), b"LIST" + struct.pack("<I", 4) + b"INFO") + DATA,
    "cut": MONO[: len(MONO) // 2],
    "length of a pipe": wav_header(0xFFFF_FFFF) + DATA,
    "length never written": wav_header(0) + DATA,
    "two": MONO + wav_header(len(DATA) // 2, rate=8_000) + DATA[: len(DATA) // 2],
    "after MP3": make("mp3", lambda rate: tone(600.0, 1.5, rate)) + MONO,
    "before FLAC": MONO + make("flac", lambda rate: tone(600.0, 1.5, rate)),
}


def whole(data: bytes) -> tuple[object, NDArray[np.float32]]:
    """All that is known about a file, and its samples."""
    recording = Recording(io.BytesIO(data))
    samples = np.concatenate(list(recording.blocks(RATE)))
    known = recording.tracks, recording.track, recording.channels
    seconds = round(recording.seconds or 0.0, 4)  # FFmpeg rounds it, too
    return (*known, seconds, tuple(recording.joins), recording.warnings), samples


@pytest.fixture
def by_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing is read without FFmpeg while this is there."""
    with monkeypatch.context() as patch:
        patch.setattr(BareSamples, "of", lambda _: None)
        yield patch


@pytest.mark.parametrize("name", FILES)
def test_equals_ffmpeg(name: str, by_ffmpeg: pytest.MonkeyPatch) -> None:
    want, want_samples = whole(FILES[name])
    by_ffmpeg.undo()
    got, got_samples = whole(FILES[name])
    assert got == want
    np.testing.assert_array_equal(got_samples, want_samples)


def test_half_a_sample_at_the_end_is_left_out() -> None:
    """Older releases of FFmpeg leave out all that comes with it."""
    _, samples = whole(wav_header(len(DATA) - 1) + DATA[:-1])
    np.testing.assert_array_equal(samples, np.frombuffer(DATA[:-2], "<i2") / np.float32(32768))


def test_blocks_are_as_long_as_is_asked_for() -> None:
    blocks = list(Recording(io.BytesIO(MONO)).blocks(RATE, block_values=1000))
    assert [len(block) for block in blocks[:3]] == [1000, 1000, 1000]
    assert sum(map(len, blocks)) == len(SOUND)


@pytest.mark.parametrize("size", (0, 1))
def test_no_sample(size: int) -> None:
    with pytest.raises(AudioError, match=r"the recording is empty \(0 samples\)"):
        whole(wav_header(size) + bytes(size))


@pytest.mark.parametrize("field, value", (("channels", 2), ("block", 4), ("bits", 24), ("tag", 3)))
def test_what_contradicts_itself_is_for_ffmpeg(field: str, value: int) -> None:
    file = bytearray(MONO)
    place = {"tag": 20, "channels": 22, "block": 32, "bits": 34}[field]
    struct.pack_into("<H", file, place, value)
    contents = Contents(io.BytesIO(file), "file", owned=False)
    (window,) = windows(contents)
    assert BareSamples.of(window) is None


def test_what_reading_raises_is_raised() -> None:
    class Failing(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            if self.tell() > 60_000:
                raise OSError("the disk is gone")
            return super().read(count)

    blocks = Recording(Failing(MONO)).blocks(RATE, block_values=8000)
    with pytest.raises(AudioError, match="the disk is gone"):
        list(blocks)
