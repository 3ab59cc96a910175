"""Reading sound files that the tests write themselves."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from parrotlet import AudioError
from parrotlet.audio import Recording, read_audio, recording, source
from parrotlet.samples import check_samples

RATE = 16_000
SECONDS = 1.5
TONE_HZ = 440.0

# Largest error of a sample: rounding for lossless formats, the codec's noise for the others.
FORMATS = {
    "wav": ("PCM_16", 1e-3),
    "flac": ("PCM_24", 1e-3),
    "ogg": ("VORBIS", 2e-2),
    "mp3": (None, 2e-2),
}


def tone(rate: int, seconds: float = SECONDS) -> np.ndarray:
    time = np.arange(int(rate * seconds)) / rate
    return (0.3 * np.sin(2 * np.pi * TONE_HZ * time)).astype(np.float32)


def write(path: Path, rate: int, channels: int) -> None:
    """Write the tone so that the mean of the channels is the tone."""
    gains = np.linspace(0.5, 1.5, channels) if channels > 1 else np.ones(1)
    subtype = FORMATS[path.suffix[1:]][0]
    soundfile.write(path, tone(rate)[:, None] * gains, rate, subtype=subtype)


def error(samples: np.ndarray) -> float:
    """Largest difference from the tone, away from the ends, where resampling rings."""
    want = tone(RATE)
    assert samples.dtype == np.float32
    # Where the rates divide badly, the last sample may be cut.
    assert 0 <= len(want) - len(samples) <= 1
    inner = slice(1600, len(samples) - 1600)
    return float(np.abs(samples[inner] - want[inner]).max())


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats(tmp_path: Path, suffix: str, channels: int) -> None:
    path = tmp_path / f"tone.{suffix}"
    write(path, 44_100, channels)
    assert error(read_audio(path, RATE)) < FORMATS[suffix][1]


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 48_000, 96_000])
def test_rates(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "tone.wav"
    write(path, rate, 1)
    assert error(read_audio(path, RATE)) < 1e-3


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_channels(tmp_path: Path, suffix: str, channels: int) -> None:
    path = tmp_path / f"tone.{suffix}"
    write(path, RATE, channels)
    assert error(read_audio(path, RATE)) < 1e-3


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_reading_in_blocks_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, rate: int
) -> None:
    path = tmp_path / f"tone.{suffix}"
    write(path, rate, 2)
    whole = read_audio(path, RATE)
    monkeypatch.setattr(recording, "BLOCK_VALUES", 3000)
    assert np.abs(read_audio(path, RATE) - whole).max() < 1e-6


def test_a_recording_of_whole_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "tone.wav", 48_000, 1)
    monkeypatch.setattr(recording, "BLOCK_VALUES", 4_800)
    assert error(read_audio(tmp_path / "tone.wav", RATE)) < 1e-3


def test_unicode_path(tmp_path: Path) -> None:
    path = tmp_path / "Grüße 日本語.wav"
    write(path, RATE, 1)
    assert error(read_audio(str(path), RATE)) < 1e-3


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_path_that_is_no_unicode(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    source = tmp_path / "tone.wav"
    write(source, RATE, 1)
    try:
        source.rename(path)
    except OSError:
        pytest.skip("the file system takes Unicode names only")
    assert error(read_audio(path, RATE)) < 1e-3


def test_streams(tmp_path: Path) -> None:
    path = tmp_path / "tone.flac"
    write(path, RATE, 1)
    assert error(read_audio(io.BytesIO(path.read_bytes()), RATE)) < 1e-3
    with path.open("rb") as file:
        assert error(read_audio(file, RATE)) < 1e-3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe(tmp_path: Path) -> None:
    write(tmp_path / "tone.wav", RATE, 1)
    data = (tmp_path / "tone.wav").read_bytes()
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert error(read_audio(pipe, RATE)) < 1e-3
    writer.join()


def missing(path: Path) -> None: ...


def directory(path: Path) -> None:
    path.mkdir()


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("This is not a recording.\n" * 100)


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros((0, 2)), RATE, format="WAV")


def with_nan(path: Path) -> None:
    samples = np.zeros(RATE, dtype=np.float32)
    samples[1234] = np.nan
    soundfile.write(path, samples, RATE, format="WAV", subtype="FLOAT")


def with_infinity(path: Path) -> None:
    samples = np.zeros((RATE, 2), dtype=np.float32)
    samples[77, 1] = -np.inf
    soundfile.write(path, samples, RATE, format="WAV", subtype="FLOAT")


def slow_rate(path: Path) -> None:
    soundfile.write(path, np.zeros(100), 10, format="WAV")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "no such file"),
        (directory, "is a directory"),
        (empty, "empty"),
        (text, "cannot be read as audio"),
        (noise, "cannot be read as audio"),
        (no_samples, "0 samples"),
        (with_nan, "sample 1234 is nan"),
        (with_infinity, "sample 77 is -inf"),
        (slow_rate, "10 Hz"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, make, message: str) -> None:
    path = tmp_path / "file.wav"
    make(path)
    with pytest.raises(AudioError, match=message) as raised:
        read_audio(path, RATE)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "address", ["https://example.org/talk.wav", "s3://bucket/talk.wav", "rtsp://camera/1"]
)
def test_addresses_are_refused(address: str) -> None:
    with pytest.raises(AudioError, match="is an address; download") as raised:
        read_audio(address, RATE)
    assert str(raised.value).startswith(address)


def test_file_addresses_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "Grüße 100%.wav"
    write(path, RATE, 1)
    assert error(read_audio(path.as_uri(), RATE)) < 1e-3
    assert error(read_audio(path.as_uri().replace("file://", "file://localhost"), RATE)) < 1e-3
    with pytest.raises(AudioError, match="on another machine"):
        read_audio("file://server/share/talk.wav", RATE)
    with pytest.raises(AudioError, match="no such file"):
        read_audio((tmp_path / "other.wav").as_uri(), RATE)


def test_one_channel(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left, right = tone(RATE), np.zeros(len(tone(RATE)), dtype=np.float32)
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    assert np.array_equal(read_audio(path, RATE, channel=1), left)
    assert np.array_equal(read_audio(path, RATE, channel=2), right)
    for channel in (0, 3):
        with pytest.raises(AudioError, match=f"2 channels; there is no channel {channel}"):
            read_audio(path, RATE, channel=channel)


def test_a_recording_is_read_again_and_again(tmp_path: Path) -> None:
    write(tmp_path / "tone.flac", 44_100, 2)
    for file in (tmp_path / "tone.flac", io.BytesIO((tmp_path / "tone.flac").read_bytes())):
        found = Recording(file)
        assert (found.channels, found.seconds) == (2, SECONDS)
        first = np.concatenate(list(found.blocks(RATE)))
        assert np.array_equal(np.concatenate(list(found.blocks(RATE))), first)
        assert error(first) < 1e-3


class Pipe(io.BytesIO):
    name = "a pipe"

    def seekable(self) -> bool:
        return False


class Drops:
    """A file that gives a few bytes at a time, and has no more than a method to read."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size, self._at = data, size, 0

    def read(self, count: int = -1) -> bytes:
        count = self._size if count < 0 else min(count, self._size)
        data = self._data[self._at : self._at + count]
        self._at += len(data)
        return data


class Seeking(Drops):
    """One that seeks as well."""

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, len(self._data))[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at


@pytest.mark.parametrize("kind", [Drops, Seeking])
@pytest.mark.parametrize("size", [1, 1000, 65_537])
def test_files_that_give_less_than_asked(tmp_path: Path, kind: type[Drops], size: int) -> None:
    write(tmp_path / "tone.wav", RATE, 1)
    assert error(read_audio(kind((tmp_path / "tone.wav").read_bytes(), size), RATE)) < 1e-3


class Broken(Seeking):
    def read(self, count: int = -1) -> bytes:
        if self._at > 20_000:
            raise OSError(5, "Input/output error")
        return super().read(count)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path / "tone.wav", RATE, 1)
    data = (tmp_path / "tone.wav").read_bytes()
    closed = io.BytesIO(data)
    closed.close()
    with (tmp_path / "tone.wav").open(encoding="latin-1") as text:
        for file, message in (
            (text, "open as text"),
            (io.StringIO("RIFF"), "open as text"),
            (closed, "closed file"),
            (object(), "cannot be read; pass a path"),
            (Broken(data, 4096), "Input/output error"),
        ):
            with pytest.raises(AudioError, match=message):
                read_audio(file, RATE)  # type: ignore[arg-type]


def test_a_long_recording_from_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "tone.wav", RATE, 1)
    monkeypatch.setattr(source, "SPOOLED_BYTES", 1000)
    assert error(read_audio(Pipe((tmp_path / "tone.wav").read_bytes()), RATE)) < 1e-3
    with pytest.raises(AudioError, match="a pipe: no data arrived"):
        read_audio(Pipe(), RATE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_no_room_for_a_recording_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SPOOLED_BYTES", 1000)
    full = Path("/dev/full").open("wb")  # noqa: SIM115 (the reader closes it)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
    with pytest.raises(AudioError, match=r"a pipe: does not fit into .*No space.*TMPDIR"):
        read_audio(Pipe(bytes(100_000)), RATE)


def test_an_empty_name_and_an_empty_file() -> None:
    with pytest.raises(AudioError, match="the name of a recording is empty"):
        read_audio("", RATE)
    with pytest.raises(AudioError, match="the file is empty"):
        read_audio(io.BytesIO(), RATE)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    write(path, RATE, 1)
    path.chmod(0)
    with pytest.raises(AudioError, match="Permission denied"):
        read_audio(path, RATE)


def test_raw_samples_have_no_header(tmp_path: Path) -> None:
    path = tmp_path / "samples.raw"
    path.write_bytes(bytes(3200))
    with pytest.raises(AudioError, match="raw samples"):
        read_audio(path, RATE)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_samples(dtype: type) -> None:
    samples = check_samples(np.array([0.5, -0.25], dtype=dtype))
    assert samples.dtype == np.float32
    assert samples.tolist() == [0.5, -0.25]


def test_integer_samples_are_scaled() -> None:
    assert check_samples(np.array([-32768, 16384], dtype=np.int16)).tolist() == [-1, 0.5]
    assert check_samples(np.array([-(2**31), 2**30], dtype=np.int32)).tolist() == [-1, 0.5]


def test_samples_that_are_not_contiguous() -> None:
    samples = check_samples(np.arange(10, dtype=np.float32)[::-2] / 10)
    assert samples.flags.c_contiguous
    assert samples.tolist() == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 100), dtype=np.float32), "shape .2, 100.*mean"),
        (np.float32(1), "shape"),
        (np.zeros(10, dtype=np.uint8), "dtype uint8"),
        (np.zeros(10, dtype=complex), "dtype complex"),
        ([], None),
        (["a"], "dtype"),
        (None, "shape"),
    ],
)
def test_samples_of_the_wrong_kind(samples: object, message: str | None) -> None:
    with pytest.raises(ValueError if message else AudioError, match=message or "0 samples"):
        check_samples(samples)


def test_samples_that_are_not_finite() -> None:
    with pytest.raises(AudioError, match="sample 2 is inf"):
        check_samples(np.array([0, 1, np.inf, np.nan], dtype=np.float32))


@pytest.mark.parametrize(
    ("contents", "message"),
    (
        (b"<!DOCTYPE html>\n<html>", "is a web page, not a recording; download the recording"),
        (b'{"error": "not found"}', "is JSON, not a recording; download the recording"),
        (b"%PDF-1.7\n", "is PDF, not a recording"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer.*git lfs pull"),
        (b"PK\x03\x04\x14\x00", "is zip, not a recording; unpack it"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "is gzip, not a recording; unpack it"),
        (b"GGUF\x03\x00\x00\x00", "is a GGUF file, not a recording; name it as the model"),
    ),
)
def test_something_else_is_named(contents: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=rf"cannot be read as audio \(it {message}"):
        read_audio(io.BytesIO(contents.ljust(1000, b"\n")), RATE)
