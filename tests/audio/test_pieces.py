"""Files that stand one after the other in the same bytes."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest
from sound_files import (
    FORMATS,
    RATE,
    assert_heard,
    encode,
    heard,
    make,
    pcm,
    read,
    tone,
    tone_file,
    wav_header,
)

from parrotlet.audio.window import find_marker

LOW, HIGH = 500.0, 1500.0
BOTH = [(LOW, 0.0, 1.0), (HIGH, 1.0, 2.0)]

ID3_TAG = b"ID3\x03\x00\x00\x00\x00\x10\x10" + np.random.default_rng(1).bytes(16 * 128 + 16)
FRAMES_END = av.library_versions["libavcodec"] >= (62, 28, 102)
"""FFmpeg before that, with PyAV before 18, loses a FLAC frame that has something behind it."""

FLAC = pytest.param("flac", marks=pytest.mark.skipif(not FRAMES_END, reason="an older FFmpeg"))

BETWEEN = {"zeros": bytes(3000), "ID3v1": b"TAG" + bytes(125), "ID3v2": ID3_TAG}


@pytest.mark.parametrize("name", FORMATS)
def test_two_of_a_format(name: str) -> None:
    samples, warnings = read(tone_file(name, LOW) + tone_file(name, HIGH))
    assert_heard(samples, BOTH)
    assert not warnings


@pytest.mark.parametrize("first", ["wav", "flac", "mp3", "ogg-opus", "m4a", "webm", "caf", "flv"])
@pytest.mark.parametrize("second", ["wav", "flac", "mp3", "ogg-opus", "mp4", "mkv", "aiff", "ac3"])
def test_two_formats(first: str, second: str) -> None:
    samples, _ = read(tone_file(first, LOW) + tone_file(second, HIGH))
    # A codec that fades in makes up to a few hundredths of a second of its own.
    assert_heard(samples, BOTH, within=0.12)


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("name", ["wav", FLAC, "mp3", "ogg-opus", "m4a", "webm", "aiff", "tta"])
def test_tags_and_padding_between_and_behind(name: str, between: str) -> None:
    data = tone_file(name, LOW) + BETWEEN[between] + tone_file(name, HIGH) + b"TAG" + bytes(125)
    samples, warnings = read(data)
    assert_heard(samples, BOTH)
    assert not warnings


@pytest.mark.parametrize("name", ["wav", FLAC, "mp3", "mp2", "ogg-opus", "m4a", "mkv", "adts"])
@pytest.mark.parametrize("stray", [b"\x00", b"\r\n", b"end of file", bytes(500)])
def test_stray_bytes_at_the_end_are_nothing(name: str, stray: bytes) -> None:
    whole, _ = read(tone_file(name, LOW))
    samples, warnings = read(tone_file(name, LOW) + stray)
    assert abs(len(samples) - len(whole)) <= 0.03 * RATE
    assert not warnings


@pytest.mark.parametrize("size", [5, 700, 20_000])
def test_junk_between_pieces_of_mp3(size: int) -> None:
    junk = np.random.default_rng(size).integers(0, 0xF0, size, dtype=np.uint8).tobytes()
    samples, _ = read(tone_file("mp3", LOW) + junk + tone_file("mp3", HIGH))
    assert [round(tone[0], -2) for tone in heard(samples)] == [LOW, HIGH]


def test_many_pieces() -> None:
    piece = tone_file("mp3", LOW, 0.3)
    samples, _ = read(piece * 40)
    assert len(samples) == pytest.approx(40 * 0.3 * RATE, rel=0.05)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (48_000, 1), (16_000, 2)])
def test_links_of_another_rate_or_with_other_channels(rate: int, channels: int) -> None:
    for format, codec in (("flac", "flac"), ("ogg", "flac"), ("wav", "pcm_s16le")):
        second = encode(np.tile(tone(HIGH, 1, rate), (channels, 1)), format, codec, rate)
        samples, _ = read(encode(tone(LOW, 1), format, codec, RATE) + second)
        assert_heard(samples, BOTH)


def test_data_chunks() -> None:
    """A WAV file may hold several, with other chunks between them."""
    low, high = pcm(tone(LOW, 1)), pcm(tone(HIGH, 1))
    for between in (b"", struct.pack("<4sI", b"LIST", 4) + b"INFO"):
        data = wav_header(len(low)) + low + between
        samples, warnings = read(data + struct.pack("<4sI", b"data", len(high)) + high)
        assert_heard(samples, BOTH)
        assert not warnings


def test_a_frame_of_lying_headers() -> None:
    """LAME's header says how many frames its piece has; those of the next are not among them."""
    first, second = tone_file("mp3", LOW), tone_file("mp3", HIGH)
    assert b"Xing" in first or b"Info" in first
    samples, _ = read(first + second[second.index(b"\xff\xfb", len(second) // 2) :])
    # Frames of Layer III begin in those before them, of which the first ones here have none.
    assert_heard(samples, [(LOW, 0.0, 1.0), (HIGH, 1.1, 1.5)])


def test_recordings_inside_others_are_not_pieces() -> None:
    """FLAC in Matroska and in Ogg has the header of a FLAC file inside."""
    for format in ("matroska", "ogg"):
        samples, warnings = read(encode(tone(LOW, 2), format, "flac", RATE))
        assert_heard(samples, [(LOW, 0.0, 2.0)])
        assert not warnings


def test_junk_in_front() -> None:
    for name in ("wav", "flac", "m4a"):
        samples, _ = read(b"HTTP/1.0 200 OK\r\n\r\n" + tone_file(name, LOW))
        assert_heard(samples, [(LOW, 0.0, 1.0)])


def test_silence_is_kept() -> None:
    quiet = make("wav", lambda rate: np.zeros(rate, np.float32))
    samples, _ = read(tone_file("wav", LOW) + quiet + tone_file("wav", HIGH))
    assert_heard(samples, [(LOW, 0.0, 1.0), (HIGH, 2.0, 3.0)])


@pytest.mark.parametrize("place", [0, 1, 1017, 1018, 1023, 1024, 4089, 4095, 6000, 6135])
@pytest.mark.parametrize("size", [6143, 6144])
def test_a_marker_is_found_wherever_it_is(place: int, size: int) -> None:
    marker = b"fLaC\x00\x00\x00\x22"
    data = bytearray(np.random.default_rng(place).bytes(size).replace(b"f", b"g"))
    data[2000:2004] = bytes(4)
    data[place : place + len(marker)] = marker
    for start in (0, place, place + 1):
        expected = place if start <= place else -1
        assert find_marker(bytes(data), marker, start) == expected
