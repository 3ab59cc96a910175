"""Bare frames between which something else stands, or that are overwritten."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from sound_files import RATE, encode, joins, read, tone

from parrotlet.audio import Recording

FORMATS = {
    "mp3": ("mp3", "libmp3lame", 16_000),
    "mp3-44k": ("mp3", "libmp3lame", 44_100),
    "mp2": ("mp2", "mp2", 48_000),
    "ac3": ("ac3", "ac3", 48_000),
    "eac3": ("eac3", "eac3", 48_000),
}
"""Those whose frames are all of one size."""

BARE: dict[str, str] = {"write_xing": "0", "id3v2_version": "0"}
RANDOM = np.random.default_rng(5)


def sound(seconds: float, rate: int) -> NDArray[np.float32]:
    """Tones of which no tenth of a second is like another one."""
    steps = [tone(200.0 + 7.0 * i, 0.1, rate) for i in range(round(10 * seconds))]
    return np.concatenate(steps)


def encoded(name: str, seconds: float = 6.0) -> bytearray:
    format, codec, rate = FORMATS[name]
    options = BARE if format == "mp3" else None
    return bytearray(encode(sound(seconds, rate), format, codec, rate, options=options))


def frames_of(data: bytes) -> list[tuple[int, int]]:
    """Where each frame begins, and its size."""
    with av.open(io.BytesIO(data)) as container:
        stream: Any = container.streams.audio[0]
        return [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]


def wrong(samples: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Seconds that are not what they were."""
    assert len(samples) == pytest.approx(len(right), abs=0.002 * RATE)
    count = min(len(samples), len(right)) // 160 * 160
    # Silence that is put in is rounded to samples: low tones, with a wide margin.
    apart = np.abs(samples[:count] - right[:count]).reshape(-1, 160).max(axis=1)
    return float((apart > 0.1).sum()) / 100


@pytest.mark.parametrize("name", FORMATS)
def test_what_stands_between_frames_costs_nothing(name: str) -> None:
    data = encoded(name)
    right, _ = read(bytes(data))
    frames = frames_of(data)
    for number in (len(frames) * 2 // 3, len(frames) // 3):
        position = frames[number][0]
        data[position:position] = RANDOM.bytes(frames[number][1] * 5 // 2)
    samples, warnings = read(bytes(data))
    assert wrong(samples, right) == 0.0
    assert len(warnings) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_header_that_is_overwritten_costs_its_frame(name: str) -> None:
    data = encoded(name)
    right, _ = read(bytes(data))
    frames = frames_of(data)
    numbers = (len(frames) // 3, len(frames) * 2 // 3)
    for number in numbers:
        data[frames[number][0] : frames[number][0] + 4] = b"\x01\x02\x03\x04"
    samples, warnings = read(bytes(data))
    # Frames of Layer III begin in those before them, and all overlap.
    frame = len(right) / RATE / len(frames)
    assert 0.0 < wrong(samples, right) <= len(numbers) * (5 * frame + 0.03)
    assert len(warnings) == 1
    assert warnings[0].startswith("damaged")


@pytest.mark.parametrize("filling", ["zeros", "junk"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_sector_that_is_overwritten_moves_nothing(name: str, filling: str) -> None:
    data = encoded(name)
    right, _ = read(bytes(data))
    frames = frames_of(data)
    position = frames[len(frames) // 2][0] + 50
    data[position : position + 2048] = bytes(2048) if filling == "zeros" else RANDOM.bytes(2048)
    samples, _ = read(bytes(data))
    frame = len(right) / RATE / len(frames)
    lost = 2048 / frames[0][1] + 1
    assert wrong(samples, right) <= (lost + 5) * frame + 0.03


def test_adts_stays_in_place_within_a_frame_or_two() -> None:
    """How many frames of differing sizes were overwritten can only be estimated."""
    data = bytearray(encode(sound(6.0, RATE), "adts", "aac", RATE))
    right, _ = read(bytes(data))
    frames = frames_of(data)
    header, sector = frames[len(frames) // 3][0], frames[len(frames) * 2 // 3][0] + 50
    data[header : header + 4] = b"\x01\x02\x03\x04"
    samples, warnings = read(bytes(data))
    assert wrong(samples, right) <= 0.3
    assert warnings[0].startswith("damaged")
    data[sector : sector + 2048] = bytes(2048)
    samples, _ = read(bytes(data))
    assert len(samples) == pytest.approx(len(right), abs=2 * 1024)


def test_tags_of_live_streams_are_no_damage() -> None:
    """Segments of HTTP live streaming begin with ID3 tags; they are one recording."""
    data = bytearray(encode(sound(6.0, RATE), "adts", "aac", RATE))
    right, _ = read(bytes(data))
    frames = frames_of(data)
    for number in (len(frames) * 2 // 3, len(frames) // 3):
        position = frames[number][0]
        data[position:position] = b"ID3\x04\x00\x00\x00\x00\x00\x3f" + bytes(63)
    samples, warnings = read(bytes(data))
    assert wrong(samples, right) == 0.0
    assert not warnings


def test_junk_before_an_encoder_s_first_frame_parts_two_recordings() -> None:
    one, junk = bytes(encoded("mp3", 2.0)), RANDOM.integers(0, 0xF0, 4000, np.uint8).tobytes()
    assert joins(one + junk + one) == pytest.approx([2.0], abs=0.15)
    position = frames_of(one)[30][0]
    assert joins(one[:position] + junk + one[position:]) == []


def test_a_frame_that_is_not_whole_ends_the_recording() -> None:
    data = encoded("mp3")
    samples, warnings = read(bytes(data[: frames_of(data)[-2][0] + 60]))
    assert len(samples) / RATE == pytest.approx(6.0, abs=0.15)
    assert warnings[0].startswith("ends early")


class Counted(io.BytesIO):
    """Bytes that count how many of them are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_damage_that_goes_on_is_looked_through_once() -> None:
    frames = encode(sound(1.0, RATE), "adts", "aac", RATE)
    data = Counted(frames + frames[:7] * 30_000 + frames)
    for _ in Recording(data).blocks(RATE):
        pass
    assert data.count < 10 * len(data.getvalue())
