"""Transport streams of several encoders that were joined: each has its own numbers of tracks."""

from __future__ import annotations

import io
import struct
import zlib

import av
import numpy as np
import pytest
from sound_files import RATE, assert_heard, encode, encode_into, heard, read, tone

from parrotlet.audio import transport_streams
from parrotlet.audio.bare_frames import TS_PACKET
from parrotlet.audio.source import Contents

LOW, HIGH, AAC = 440.0, 1200.0, 44_100
SECONDS = 2.0

OTHER_TRACK = {"mpegts_start_pid": "0x300"}
OTHER_TABLE = {"mpegts_pmt_start_pid": "0x1500"}
JOINED = ((LOW, 0.0, SECONDS), (HIGH, SECONDS, 2 * SECONDS))


def stream(hz: float, **options: str) -> bytes:
    return encode(tone(hz, SECONDS, AAC), "mpegts", "aac", AAC, options=options)


def film(hz: float, **options: str) -> bytes:
    """A tone below a picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts", options=options) as container:
        picture = container.add_stream("mpeg2video", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=AAC, layout="mono")
        for number in range(int(SECONDS * 25)):
            frame = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), "yuv420p")
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        encode_into(container, sound, tone(hz, SECONDS, AAC)[None], AAC, "mono")
    return file.getvalue()


@pytest.fixture(params=(None, 7), ids=("as it is", "few packets at a time"), autouse=True)
def read_at_a_time(request, monkeypatch) -> None:
    if request.param is not None:
        monkeypatch.setattr(transport_streams, "_READ", request.param)


@pytest.mark.parametrize(
    "options",
    (OTHER_TRACK, OTHER_TABLE, {**OTHER_TRACK, **OTHER_TABLE}, {}),
    ids=("tracks", "tables", "both", "none"),
)
def test_what_follows_in_others_is_heard(options) -> None:
    samples, warnings = read(stream(LOW) + stream(HIGH, **options))
    assert_heard(samples, list(JOINED), within=0.15)
    assert warnings == ()


@pytest.mark.parametrize("options", (OTHER_TRACK, {**OTHER_TRACK, **OTHER_TABLE}))
def test_there_and_back(options) -> None:
    samples, _ = read(stream(LOW) + stream(HIGH, **options) + stream(LOW))
    assert_heard(samples, [*JOINED, (LOW, 2 * SECONDS, 3 * SECONDS)], within=0.15)


@pytest.mark.parametrize("lost", (100, 188 * 3 + 50))
def test_a_cut_end_before_others(lost) -> None:
    samples, _ = read(stream(LOW)[:-lost] + stream(HIGH, **OTHER_TRACK))
    assert [round(hz, -2) for hz, *_ in heard(samples)] == [400, 1200]
    assert heard(samples)[1][2] - heard(samples)[1][1] == pytest.approx(SECONDS, abs=0.1)


def test_bytes_between_that_are_none() -> None:
    between = np.random.default_rng(0).integers(0, 255, 1000).astype(np.uint8).tobytes()
    samples, _ = read(stream(LOW) + between + stream(HIGH, **OTHER_TRACK))
    assert [round(hz, -2) for hz, *_ in heard(samples)] == [400, 1200]


def test_films() -> None:
    samples, _ = read(film(LOW) + film(HIGH, **OTHER_TRACK))
    assert_heard(samples, list(JOINED), within=0.15)


@pytest.mark.parametrize(("before", "behind"), ((4, 0), (0, 16)), ids=("of cameras", "check bytes"))
@pytest.mark.parametrize("lost", (0, 100))
def test_packets_with_bytes_around_them(before: int, behind: int, lost: int) -> None:
    def wider(data: bytes) -> bytes:
        packets = (data[at : at + TS_PACKET] for at in range(0, len(data), TS_PACKET))
        return b"".join(bytes(before) + packet + bytes(behind) for packet in packets)

    first = wider(stream(LOW))
    samples, _ = read(first[: len(first) - lost] + wider(stream(HIGH, **OTHER_TRACK)))
    assert [round(hz, -2) for hz, *_ in heard(samples)] == [400, 1200]
    assert heard(samples)[1][2] - heard(samples)[1][1] == pytest.approx(SECONDS, abs=0.15)


@pytest.mark.parametrize("byte", (6, 8, 10, 16, 20))
def test_a_damaged_table_changes_nothing(byte) -> None:
    data = bytearray(stream(LOW))
    plain, _ = read(bytes(data))
    packets = range(0, len(data), TS_PACKET)
    tables = [at for at in packets if data[at + 1] & 0x5F == 0x50 and data[at + 2] == 0]
    assert len(tables) > 5
    data[tables[4] + byte] ^= 0x15
    assert np.array_equal(read(bytes(data))[0], plain)


# Tables are written here by hand: a PAT of these programs, or a PMT at a PID with these tracks.
ONE, TWO, THREE = 0x1000, 0x1001, 0x1002
FIRST = (("pat", ONE, TWO), (ONE, 0x100), (TWO, 0x200, 0x201))


@pytest.mark.parametrize(
    "then",
    (
        FIRST,
        (("pat", ONE, TWO, THREE), (THREE, 0x300)),
        (("pat", ONE, TWO), (ONE, 0x100, 0x110)),
        (("pat", ONE), (ONE, 0x100)),
        (("pat", THREE), (THREE, 0x100, 0x200, 0x201)),
    ),
    ids=("the same", "a program more", "a track more", "a program less", "all in another"),
)
def test_tables_after_which_nothing_is_gone(then) -> None:
    assert changes(*FIRST, *FIRST, *then, *then) == []


@pytest.mark.parametrize(
    "then",
    (
        (("pat", ONE, TWO), (ONE, 0x110)),
        (("pat", ONE, TWO), (TWO, 0x201)),
        (("pat", THREE), (THREE, 0x300)),
        (("pat", ONE), (ONE, 0x300)),
    ),
    ids=("another track", "a track less", "another program", "another stream"),
)
def test_tables_after_which_sound_is_gone(then) -> None:
    at = 2 * len(FIRST) * TS_PACKET
    assert changes(*FIRST, *FIRST, *then, *then) == [at]


def changes(*tables: tuple[str | int, ...]) -> list[int]:
    data = b"".join(packet(name, *numbers) for name, *numbers in tables)
    contents, layout = (
        Contents(io.BytesIO(data), "", owned=False),
        transport_streams.Layout(TS_PACKET),
    )
    return list(transport_streams._changes(contents, 0, layout))


def packet(name: str | int, *numbers: int) -> bytes:
    if name == "pat":
        pid, kind = 0, 0
        body = b"".join(struct.pack(">HH", n, 0xE000 | at) for n, at in enumerate(numbers, 1))
    else:
        pid, kind = int(name), 2
        tracks = ((0x1B, 0x50), *((0x0F, number) for number in numbers))  # a picture before
        body = struct.pack(">HH", 0xE050, 0xF000)
        body += b"".join(struct.pack(">BHH", type, 0xE000 | at, 0xF000) for type, at in tracks)
    table = struct.pack(">BHHBBB", kind, 0xB000 | len(body) + 9, 1, 0xC1, 0, 0) + body
    header = struct.pack(">BHBB", 0x47, 0x4000 | pid, 0x10, 0)
    return (header + table + checksum(table)).ljust(TS_PACKET, b"\xff")


def checksum(table: bytes) -> bytes:
    """CRC-32 as MPEG has it: that of zlib with all bits the other way round."""
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in table)
    return struct.pack(">I", int(f"{zlib.crc32(turned) ^ 0xFFFFFFFF:032b}"[::-1], 2))


def test_length_is_that_of_both() -> None:
    samples, _ = read(stream(LOW) + stream(HIGH, **OTHER_TRACK))
    assert len(samples) / RATE == pytest.approx(2 * SECONDS, abs=0.15)
