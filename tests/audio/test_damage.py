"""What is damaged or cut is said once; everything else is read, where it belongs."""

from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from sound_files import (
    FORMATS,
    RATE,
    assert_heard,
    encode,
    heard,
    pcm,
    read,
    tone,
    tone_file,
    wav_header,
    write_track,
)

from parrotlet import AudioError
from parrotlet.audio import Recording
from parrotlet.audio.findings import Findings

LOW, HIGH = 500.0, 1500.0


def three(name: str) -> bytes:
    format, codec, rate = FORMATS[name]
    signal = np.concatenate([tone(LOW, 1, rate), tone(HIGH, 1, rate), tone(LOW, 1, rate)])
    options = {"cluster_time_limit": "500"} if format in ("matroska", "webm") else None
    return encode(signal, format, codec, rate, options=options)


@pytest.mark.parametrize("name", ["flac", "mp3", "adts", "ogg-opus", "m4a", "webm", "mkv", "ts"])
@pytest.mark.parametrize("count", [4, 40, 400])
def test_bytes_that_are_overwritten(name: str, count: int) -> None:
    data = bytearray(three(name))
    middle = len(data) // 2
    data[middle : middle + count] = np.random.default_rng(count).bytes(count)
    samples, _ = read(bytes(data))
    whole, _ = read(three(name))
    # The frames of some formats do not say when they are.
    assert len(samples) / RATE == pytest.approx(len(whole) / RATE, abs=0.15)
    last = heard(samples)[-1]
    assert last[0] == pytest.approx(LOW, abs=60)
    assert last[2] == pytest.approx(heard(whole)[-1][2], abs=0.15)


@pytest.mark.parametrize("name", ["flac", "webm", "ogg-opus", "m4a"])
def test_a_damaged_stretch_is_named(name: str) -> None:
    data = bytearray(three(name))
    middle, count = len(data) // 2, len(data) // 12
    data[middle : middle + count] = np.random.default_rng(7).bytes(count)
    samples, warnings = read(bytes(data))
    assert heard(samples)[-1][1:] == pytest.approx((2.0, 3.0), abs=0.15)
    assert len(warnings) == 1
    assert warnings[0].startswith("damaged")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.35, 0.8])
def test_a_cut_file(name: str, share: float) -> None:
    """What is there is read; a file whose index is at its end cannot be."""
    data = three(name)
    cut = data[: int(len(data) * share)]
    if name in ("m4a", "mp4", "mov"):
        with pytest.raises(AudioError, match="moov"):
            read(cut)
        return
    if name in ("wavpack", "tta"):
        return  # a block, which is lost as a whole, is longer than a second
    samples, _ = read(cut)
    # Part of a page of Ogg, or of a frame of FLAC, is none; and bytes are not spread evenly.
    assert 3 * share - 0.8 < len(samples) / RATE < 3 * share + 0.3
    assert heard(samples)[0][0] == pytest.approx(LOW, abs=60)


@pytest.mark.parametrize("name", ["wav", "flac", "aiff", "w64", "adts", "mkv"])
def test_a_cut_is_named(name: str) -> None:
    data = three(name)
    samples, warnings = read(data[: len(data) * 2 // 3 - 7])
    assert warnings == (f"ends early, cut off at {len(samples) / RATE:.1f} s",)


def test_a_film_whose_index_is_in_front(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        write_track(container, tone(LOW, 3, 44_100), "aac", 44_100)
    data = path.read_bytes()
    samples, warnings = read(data[: len(data) * 2 // 3])
    assert 1.5 < len(samples) / RATE < 2.2
    assert len(warnings) == 1
    assert warnings[0].startswith("ends early")


BEFORE = {
    "nothing": b"",
    "JUNK": struct.pack("<4sI", b"JUNK", 28) + bytes(28),
    "FLLR": struct.pack("<4sI", b"FLLR", 4044) + bytes(4044),
    "LIST": struct.pack("<4sI", b"LIST", 4) + b"INFO",
    "odd": struct.pack("<4sI", b"note", 3) + b"abc\0",
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("size", [0, 2, 2000, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_lengths_in_wav(before: str, size: int) -> None:
    samples = pcm(tone(LOW, 1))
    got, warnings = read(wav_header(size, BEFORE[before], riff=min(size, 36)) + samples)
    assert_heard(got, [(LOW, 0.0, 1.0)])
    assert len(got) == RATE
    # The last two are what programs write that cannot go back, into a pipe.
    said = () if size > 2000 else (f"the header says {size // 2} samples; read to the end",)
    assert len(warnings) == len(said)
    assert all(w.startswith(s) for w, s in zip(warnings, said, strict=True))


def test_a_length_that_ends_among_zeros() -> None:
    samples = np.concatenate([np.zeros(RATE), tone(440.0, 1.0)]).astype(np.float32)
    for size in (2, 1000, RATE):
        found, warnings = read(wav_header(size, riff=2 * len(samples) + 36) + pcm(samples))
        assert len(found) == len(samples)
        assert len(warnings) == 1
    padded, warnings = read(wav_header(2 * RATE) + pcm(tone(440.0, 1.0)) + bytes(9000))
    assert len(padded) == RATE
    assert not warnings


def test_lengths_in_other_headers() -> None:
    signal = tone(LOW, 1)
    big = pcm(signal, ">")
    rf64 = (
        b"RF64\xff\xff\xff\xffWAVE" + struct.pack("<4sIQQQI", b"ds64", 28, 0, 0, 0, 0)
    ) + wav_header(0xFFFF_FFFF)[12:]
    au = struct.pack(">4s5I", b".snd", 24, 0, 3, RATE, 1)
    w64 = bytearray(encode(signal, "w64", "pcm_s16le", RATE))
    at = w64.index(b"data\xf3\xac")
    w64[at + 16 : at + 24] = bytes(8)
    aiff = bytearray(encode(signal, "aiff", "pcm_s16be", RATE))
    at = aiff.index(b"SSND")
    aiff[at + 4 : at + 8] = bytes(4)
    aiff[4:8] = bytes(4)
    caf = bytearray(encode(signal, "caf", "pcm_s16be", RATE))
    at = caf.index(b"data")
    caf[at + 4 : at + 12] = bytes(8)
    for data in (rf64 + pcm(signal), au + big, bytes(w64), bytes(aiff), bytes(caf)):
        samples, warnings = read(data)
        assert_heard(samples, [(LOW, 0.0, 1.0)])
        assert len(warnings) == 1
        assert warnings[0].startswith("the header says 0 ")


@pytest.mark.parametrize("name", ["wav", "w64", "aiff", "au", "caf", "m4a", "mkv", "avi", "flv"])
def test_nothing_but_a_header(name: str) -> None:
    data = tone_file(name, LOW, 2.0)
    for count in range(20, 120, 7):
        with contextlib.suppress(AudioError):
            samples, _ = read(data[:count])
            assert len(samples) < 400
    au = struct.pack(">4s5I", b".snd", 4000, 0, 3, RATE, 1)
    with pytest.raises(AudioError):
        read(au)


def test_matroska_that_was_not_finished() -> None:
    data = bytearray(encode(tone(LOW, 1, 48_000), "matroska", "libopus", 48_000))
    at = data.index(b"\x18\x53\x80\x67") + 4
    for size in (b"\x01" + b"\xff" * 7, b"\x01" + bytes(7)):
        data[at : at + 8] = size
        samples, _ = read(bytes(data) + tone_file("mkv", HIGH))
        assert_heard(samples, [(LOW, 0.0, 1.0), (HIGH, 1.0, 2.0)])


@pytest.mark.parametrize("codec", ["aac", "ac3"])
@pytest.mark.parametrize("channels", [(1, 2), (2, 6), (6, 1)])
def test_channels_that_change(codec: str, channels: tuple[int, int]) -> None:
    format = "adts" if codec == "aac" else "ac3"
    parts = [
        encode(np.tile(tone(hz, 1, 48_000), (n, 1)), format, codec, 48_000)
        for hz, n in zip((LOW, HIGH), channels, strict=True)
    ]
    samples, _ = read(b"".join(parts))
    assert_heard(samples, [(LOW, 0.0, 1.0), (HIGH, 1.0, 2.0)])


@pytest.mark.parametrize("rates", [(44_100, 22_050), (48_000, 32_000), (16_000, 48_000)])
def test_rates_that_change(rates: tuple[int, int]) -> None:
    parts = [
        encode(tone(hz, 1, rate), "mp3", "libmp3lame", rate, options={"write_xing": "0"})
        for hz, rate in zip((LOW, HIGH), rates, strict=True)
    ]
    samples, _ = read(b"".join(parts))
    assert_heard(samples, [(LOW, 0.0, 1.0), (HIGH, 1.0, 2.0)], within=0.15)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + bytes(999), "not finished"),
        (b"<!DOCTYPE html><html><body>404</body></html>" * 30, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
        (np.random.default_rng(3).bytes(3000), "format is not known"),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n", "read as audio"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "read as audio"),
    ],
)
def test_what_is_no_recording(data: bytes, reason: str) -> None:
    with pytest.raises(AudioError, match=reason) as raised:
        read(data)
    assert "Invalid data found" not in str(raised.value)


def test_nothing_is_printed_about_damage(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("mp3", "flac", "m4a", "ogg-opus", "ts"):
        data = bytearray(three(name))
        data[len(data) // 2 : len(data) // 2 + 200] = bytes(range(200))
        read(bytes(data) + b"junk")
    assert capfd.readouterr() == ("", "")


def test_warnings_are_those_of_the_last_reading() -> None:
    recording = Recording(io.BytesIO(wav_header(0) + pcm(tone(LOW, 1))))
    for _ in range(2):
        list(recording.blocks(RATE))
        assert len(recording.warnings) == 1


@pytest.mark.parametrize(
    ("count", "seconds", "message"),
    [
        (3, 0.0, "damaged at 0.0 s, at 2.0 s, at 4.0 s"),
        (4, 0.0, "damaged at 0.0 s, at 2.0 s, at 4.0 s, 1 more stretch"),
        (
            5,
            0.5,
            "damaged from 0.0 s to 0.5 s, from 2.0 s to 2.5 s, from 4.0 s to 4.5 s, "
            "2 more stretches, 2.5 s in all",
        ),
    ],
)
def test_stretches_beyond_three_are_counted(count: int, seconds: float, message: str) -> None:
    findings = Findings()
    for start in range(0, 2 * count, 2):
        findings.damaged(start, start + seconds)
    assert findings.messages() == (message,)
