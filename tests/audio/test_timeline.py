"""Sound is placed by its time stamps."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from sound_files import RATE, assert_heard, encode, encode_into, heard, read, tone, tone_file

from parrotlet.audio.findings import Findings
from parrotlet.audio.timeline import MAX_GAP, Timeline

LOW, HIGH = 500.0, 1500.0

CLUSTER = b"\x1f\x43\xb6\x75"

STAMPED = {
    "mkv": ("matroska", "aac", 44_100),
    "webm": ("webm", "libopus", 48_000),
    "mp4": ("mp4", "aac", 44_100),
    "ogg": ("ogg", "libopus", 48_000),
    "ts": ("mpegts", "aac", 44_100),
    "flv": ("flv", "aac", 44_100),
}


def two_tones(rate: int) -> np.ndarray:
    return np.concatenate([tone(LOW, 1, rate), tone(HIGH, 1, rate)])


@pytest.mark.parametrize("name", STAMPED)
@pytest.mark.parametrize("gap", [0.3, 3.0, 40.0])
def test_a_gap_is_silence(name: str, gap: float) -> None:
    format, codec, rate = STAMPED[name]
    data = encode(two_tones(rate), format, codec, rate, [(0, 0.0), (rate, 1.0 + gap)])
    samples, _ = read(data)
    assert_heard(samples, [(LOW, 0.0, 1.0), (HIGH, 1.0 + gap, 2.0 + gap)])


@pytest.mark.parametrize("name", ["mkv", "webm", "mp4"])
def test_many_small_gaps_add_up(name: str) -> None:
    """A tenth is missing every tenth of a second, as where every fifth packet is lost."""
    format, codec, rate = STAMPED[name]
    parts = [tone(LOW, 2.0, rate), tone(HIGH, 0.5, rate)]
    starts = [(round(i * 0.1 * rate), i * 0.12) for i in range(20)] + [(2 * rate, 2.4)]
    samples, _ = read(encode(np.concatenate(parts), format, codec, rate, starts))
    assert heard(samples)[-1] == pytest.approx((HIGH, 2.4, 2.9), abs=0.09)
    assert len(samples) / RATE == pytest.approx(2.9, abs=0.1)


def clusters(data: bytes) -> list[int]:
    """Where the time stamps of a Matroska file's clusters are."""
    found, at = [], data.find(CLUSTER)
    while at >= 0:
        found.append(data.index(b"\xe7", at + 4) + 2)
        at = data.find(CLUSTER, at + 4)
    return found


def with_cluster_times(moved: dict[int, float]) -> bytes:
    """Six seconds of two tones with some clusters moved, by their number, in seconds."""
    rate = 48_000
    signal = np.concatenate([two_tones(rate)] * 3)
    options = {"cluster_time_limit": "1000"}
    data = bytearray(encode(signal, "matroska", "libopus", rate, options=options))
    for number, seconds in moved.items():
        at = clusters(bytes(data))[number]
        size = data[at - 1] & 0x7F
        value = max(0, int.from_bytes(data[at : at + size], "big") + round(seconds * 1000))
        data[at : at + size] = value.to_bytes(size, "big")
    return bytes(data)


@pytest.mark.parametrize("back", [0.3, 0.8])
def test_overlaps_are_dropped(back: float) -> None:
    samples, _ = read(with_cluster_times(dict.fromkeys(range(4, 7), -back)))
    assert len(samples) / RATE == pytest.approx(6.0 - back, abs=0.1)
    assert_heard(samples[: 4 * RATE], [(LOW, 0, 1), (HIGH, 1, 2), (LOW, 2, 3), (HIGH, 3, 4)])


@pytest.mark.parametrize("format", ["matroska", "webm"])
def test_time_stamps_of_a_millisecond_move_nothing(format: str) -> None:
    """The frames of this rate do not last whole milliseconds."""
    codec, rate = ("libopus", 48_000) if format == "webm" else ("aac", 44_100)
    signal = tone(LOW, 5, rate)
    plain, _ = read(encode(signal, format, codec, rate))
    rng = np.random.default_rng(0)
    jitter = [(i, i / rate + rng.uniform(-0.01, 0.01)) for i in range(4096, len(signal), 1024)]
    shaken, _ = read(encode(signal, format, codec, rate, jitter))
    assert np.array_equal(plain, shaken)


def test_time_stamps_that_begin_anew() -> None:
    piece = tone_file("ts", LOW) + tone_file("ts", HIGH) + tone_file("ts", LOW)
    samples, _ = read(piece)
    assert_heard(samples, [(LOW, 0, 1), (HIGH, 1, 2), (LOW, 2, 3)], within=0.15)


@pytest.mark.parametrize("name", ["mkv", "webm", "mp4", "ts"])
@pytest.mark.parametrize("ahead", [7200.0, 365 * 86_400.0])
def test_a_time_stamp_that_cannot_be(name: str, ahead: float) -> None:
    format, codec, rate = STAMPED[name]
    if name in ("ts", "mp4") and ahead > 90_000:
        pytest.skip("there is no such time stamp")
    data = encode(two_tones(rate), format, codec, rate, [(0, 0.0), (rate, ahead)])
    samples, warnings = read(data)
    assert_heard(samples, [(LOW, 0.0, 1.0), (HIGH, 1.0, 2.0)])
    assert len(warnings) == 1
    assert "hours ahead" in warnings[0]


@pytest.mark.parametrize("away", [-2.0, -0.9, 20.0, 60.0])
@pytest.mark.parametrize("number", [1, 3])
def test_a_few_wrong_time_stamps_are_not_believed(away: float, number: int) -> None:
    """Those of a second go elsewhere, and what follows is where it was."""
    samples, _ = read(with_cluster_times({number: away}))
    assert_heard(samples[4 * RATE :], [(LOW, 0.0, 1.0), (HIGH, 1.0, 2.0)])
    assert len(samples) / RATE == pytest.approx(6.0, abs=0.1)


def test_sound_that_begins_after_the_picture() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=44_100, layout="mono")
        for i in range(60):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        encode_into(container, sound, tone(LOW, 1, 44_100)[None], 44_100, "mono", [(-9999, 1.25)])
    samples, _ = read(file.getvalue())
    assert samples[: RATE // 2].max() == 0
    assert len(samples) / RATE == pytest.approx(1 + 1.25 + 9999 / 44_100, abs=0.06)


def place(stamps: list[float], seconds: float = 0.1) -> tuple[list[float], Timeline, Findings]:
    findings = Findings()
    timeline = Timeline(findings)
    timeline.begin(0.0)
    return [timeline.place(stamp, seconds) for stamp in stamps], timeline, findings


def test_what_is_moved() -> None:
    moved, timeline, _ = place([0.0, 0.13, 0.2, 0.5, 0.6])
    assert moved == pytest.approx([0, 0, 0, 0.2, 0])
    assert timeline.now == pytest.approx(0.7)


def test_silence_has_a_limit() -> None:
    moved, timeline, findings = place([0.0, MAX_GAP + 10, MAX_GAP + 10.1])
    assert moved == [0, 0, 0]
    assert timeline.now == pytest.approx(0.3)
    assert len(findings.messages()) == 1


def test_what_could_not_be_decoded_is_placed_exactly() -> None:
    findings = Findings()
    timeline = Timeline(findings)
    timeline.begin(0.0)
    timeline.place(0.0, 0.1)
    timeline.broken()
    assert timeline.place(0.13, 0.1) == pytest.approx(0.03)
    assert findings.messages() == ("damaged at 0.1 s",)
