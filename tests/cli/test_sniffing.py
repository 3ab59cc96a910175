"""Files where raw samples are expected are named; samples never are, whatever they begin with."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet import AudioError
from parrotlet.cli.sniffing import FRAMES_BYTES, what_it_is
from parrotlet.cli.sources import raw_samples

RATE = 16_000


@pytest.fixture(scope="module")
def speech(examples_dir: Path) -> np.ndarray:
    return soundfile.read(examples_dir / "example.wav", dtype="int16")[0]


def encoded(samples: np.ndarray, container: str, codec: str, rate: int) -> bytes:
    """Samples as FFmpeg writes them; skips the test where it cannot."""
    av = pytest.importorskip("av")
    out = io.BytesIO()
    try:
        with av.open(out, "w", format=container) as file:
            stream = file.add_stream(codec, rate=rate)
            stream.layout = "mono"
            frame = av.AudioFrame.from_ndarray(samples[None].copy(), format="s16", layout="mono")
            frame.sample_rate = rate
            resampler = av.AudioResampler(
                stream.format, "mono", rate, frame_size=stream.codec_context.frame_size or 1024
            )
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                file.mux(stream.encode(part))
            file.mux(stream.encode(None))
    except (ValueError, OSError) as error:
        pytest.skip(f"this FFmpeg cannot write it: {error}")
    return out.getvalue()


MEDIA = [
    ("ipod", "aac", 44_100, "MP4"),
    ("mp4", "aac", 44_100, "MP4"),
    ("mov", "aac", 44_100, "MP4"),
    ("webm", "libopus", 48_000, "WebM"),
    ("matroska", "libopus", 48_000, "Matroska"),
    ("adts", "aac", 16_000, "ADTS"),
    ("adts", "aac", 44_100, "ADTS"),
    ("latm", "aac", 44_100, "LATM"),
    ("mp3", "libmp3lame", 44_100, "MP3"),
    ("mp3", "libmp3lame", 16_000, "MP3"),
    ("mp2", "mp2", 48_000, "MP3"),
    ("mpegts", "aac", 44_100, "MPEG-TS"),
    ("mpegts", "mp2", 48_000, "MPEG-TS"),
    ("mpeg", "mp2", 48_000, "MPEG-PS"),
    ("caf", "pcm_s16le", 16_000, "CAF"),
    ("aiff", "pcm_s16be", 16_000, "AIFF"),
    ("w64", "pcm_s16le", 16_000, "WAV"),
    ("wav", "pcm_s16le", 16_000, "WAV"),
    ("au", "pcm_s16be", 16_000, "AU"),
    ("asf", "libmp3lame", 44_100, "ASF"),
    ("avi", "libmp3lame", 44_100, "AVI"),
    ("flv", "aac", 44_100, "FLV"),
    ("flac", "flac", 16_000, "FLAC"),
    ("ogg", "libopus", 48_000, "OGG"),
    ("ac3", "ac3", 48_000, "AC-3"),
    ("eac3", "eac3", 48_000, "AC-3"),
    ("wv", "wavpack", 16_000, "WavPack"),
    ("tta", "tta", 16_000, "True Audio"),
    ("voc", "pcm_s16le", 16_000, "VOC"),
]


@pytest.mark.parametrize(("container", "codec", "rate", "name"), MEDIA)
def test_recordings_are_named(
    speech: np.ndarray, container: str, codec: str, rate: int, name: str
) -> None:
    data = encoded(speech[: 2 * RATE], container, codec, rate)
    found = what_it_is(data[: 1 << 16])
    assert found is not None
    assert name in found[0]
    with pytest.raises(AudioError, match="ffmpeg -i INPUT -f s16le"):
        list(raw_samples(io.BytesIO(data), RATE))


@pytest.mark.parametrize("start", [1, 100, 5000])
@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp3", "libmp3lame", 44_100), ("adts", "aac", 44_100), ("mpegts", "aac", 44_100)],
)
def test_streams_that_are_joined_later(
    speech: np.ndarray, container: str, codec: str, rate: int, start: int
) -> None:
    data = encoded(speech, container, codec, rate)
    assert what_it_is(data[start : start + (1 << 16)]) is not None


def other_files() -> dict[str, bytes]:
    content = bytes(range(256)) * 40
    archive, tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a.wav", content)
    with tarfile.open(fileobj=tar, mode="w") as tarred:
        tarred.addfile(tarfile.TarInfo("a.wav"))
    return {
        "gzip": gzip.compress(content),
        "zip": archive.getvalue(),
        "bzip2": bz2.compress(content),
        "xz": lzma.compress(content),
        "tar": tar.getvalue(),
        "AMR": b"#!AMR\n" + b"\x3c" + content,
        "MP3 with a tag": b"ID3\x04\x00\x00\x00\x00\x0f\x76" + content,
        "a web page": b"\n<!DOCTYPE html>\n<html lang='en'><head>" + b" " * 100,
        "JSON": b'{"error": "not found", "status": 404}' + b" " * 100,
        "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        "WAV": b"RF64\xff\xff\xff\xffWAVEds64" + content,
        "MXF": b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02" + content,
        "OGG": b"OggS\x00\x02" + bytes(8) + content,
        "NIST SPHERE": b"NIST_1A\n   1024\n" + content,
    }


@pytest.mark.parametrize("name", other_files())
def test_other_files_are_named(name: str) -> None:
    found = what_it_is(other_files()[name])
    assert found is not None
    assert found[0] == name
    assert found[1]


@pytest.mark.parametrize("size", [1, 2, 7, 63, 1000])
def test_what_comes_in_little_pieces_is_named(speech: np.ndarray, size: int) -> None:
    data = encoded(speech[:RATE], "adts", "aac", 44_100)

    class Pipe(io.BytesIO):
        def read1(self, count: int | None = -1) -> bytes:
            return super().read1(size)

    with pytest.raises(AudioError, match="ADTS"):
        list(raw_samples(Pipe(data), RATE))


@settings(max_examples=300, deadline=None)
@given(st.integers(-32768, 32767), st.integers(-32768, 32767), st.integers(1, 800), st.data())
def test_square_waves_are_samples(low: int, high: int, half: int, data: st.DataObject) -> None:
    """Of any levels and period, also such as frames have; constants are among them."""
    shift = data.draw(st.integers(0, 2 * half - 1))
    wave = np.where((np.arange(FRAMES_BYTES) + shift) // half % 2, high, low).astype("<i2")
    assert what_it_is(wave.tobytes()) is None


HEADS = [
    b"\xff\xfb\x90\x64",
    b"\xff\xfb\x94\x64",
    b"\xff\xf1\x50\x80\x04\x3f\xfc",
    b"\x47\x40\x11\x10",
    b"\x0b\x77\x00\x00\x14\x40",
    b"\x56\xe0\x40",
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(HEADS),
    st.one_of(st.integers(4, 4096), st.sampled_from([188, 192, 204, 384, 417, 418])),
    st.binary(min_size=0, max_size=64),
)
def test_periodic_signals_with_the_bytes_of_frames_are_samples(
    head: bytes, period: int, body: bytes
) -> None:
    once = (head + body).ljust(period, b"\x00")[:period]
    assert what_it_is(once * (2 * FRAMES_BYTES // period + 1)) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=2, max_size=3), st.integers(0, 2**32 - 1), st.integers(1, 32767))
def test_signals_may_begin_with_any_bytes(start: bytes, seed: int, peak: int) -> None:
    noise = np.random.default_rng(seed).integers(-peak, peak + 1, FRAMES_BYTES).astype("<i2")
    assert what_it_is(start + noise.tobytes()[len(start) :]) is None


def test_speech_music_and_silence_are_samples(speech: np.ndarray) -> None:
    time = np.arange(FRAMES_BYTES) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277.2, 329.6, 440))
    for signal in (speech, np.zeros(FRAMES_BYTES), 8000 * chord, np.full(FRAMES_BYTES, -1)):
        data = np.asarray(signal).astype("<i2").tobytes()
        for start in range(0, min(len(data) - 64, 40_000), 322):
            assert what_it_is(data[start : start + 2 * FRAMES_BYTES]) is None


@pytest.mark.parametrize("size", [2, 64, 100, FRAMES_BYTES, 100_001])
@pytest.mark.parametrize("start", [b"\xff\xfb", b"\x47\x00", b"\x0b\x77", b"ID3\x00"])
def test_all_samples_are_given(start: bytes, size: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, size).astype(np.uint8).tobytes()
    data = (start + noise)[:size]
    found = np.concatenate(list(raw_samples(io.BytesIO(data), RATE)))
    want = np.frombuffer(data[: size // 2 * 2], "<i2") / 32768
    assert np.array_equal(found, want.astype(np.float32))
