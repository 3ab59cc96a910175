"""Streams of frames without a file's signature: MPEG audio, ADTS, AC-3, and packets of MPEG-TS.

A frame is told by its header and its length, at which another one like it has to begin.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

CHAIN = 4
"""Frames in a row that are taken for a stream and not for chance."""

FRAME_HEAD = 7
"""Of a frame, which tell its length."""

TS_PACKET = 188
"""Bytes of a packet of MPEG-TS."""

_MPEG_KBITS = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),  # 1, layer I
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),  # 1, layer II
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # 1, layer III
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),  # 2, layer I
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # 2, layers II and III
)
_AC3_KBITS = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160),
    *(192, 224, 256, 320, 384, 448, 512, 576, 640),
)


def find_frames(data: bytes, other_than: str) -> int | None:
    """Find where in `data` a stream begins, unless it is of FFmpeg's format `other_than`."""
    if "mpegts" not in other_than:
        for position in range(min(2 * TS_PACKET, len(data))):
            if packets_begin(data, position):
                return position
    found = None
    for name, (sync, frame) in KINDS.items():
        if name in other_than:
            continue
        position = data.find(sync)
        while position >= 0 and (found is None or position < found):
            if _chain_begins(data, position, frame):
                found = position
                break
            position = data.find(sync, position + 1)
    return found


def frames_begin(data: bytes) -> bool:
    """Whether a stream begins at the start of `data`."""
    return packets_begin(data, 0) or any(_chain_begins(data, 0, f) for _, f in KINDS.values())


def is_frame(data: bytes) -> bool:
    """Whether `data` begins with the header of a frame."""
    head = data[:FRAME_HEAD]
    return any(frame(head) is not None for _, frame in KINDS.values())


def begins_encoding(data: bytes) -> bool:
    """Whether `data` begins with a frame of Layer III that needs nothing of those before it.

    An encoder's first is such a one. Others begin in the bits that those before them had left: in
    files of a constant rate that is not the highest, nearly all. Source: ISO 11172-3, 2.4.2.7,
    `main_data_begin`.
    """
    found = _mpeg(data)
    if found is None or found[0] not in ((3, 3), (2, 3), (0, 3)):
        return False
    at = 4 if data[1] & 1 else 6  # behind a checksum
    side = data[at : at + 2]
    bits = 9 if data[1] >> 3 & 3 == 3 else 8
    return len(side) == 2 and int.from_bytes(side, "big") >> 16 - bits == 0


FrameOf = Callable[[bytes], tuple[object, int] | None]
"""Takes the head of a frame; returns what all frames of a stream share, and the frame's bytes."""


def _chain_begins(data: bytes, position: int, frame: FrameOf) -> bool:
    found = frame(data[position : position + FRAME_HEAD])
    return found is not None and bool(goes_on(data, position + found[1], frame, found[0]))


def goes_on(
    data: bytes, position: int, frame: FrameOf, shared: object, count: int = CHAIN - 1
) -> bool | None:
    """Whether so many frames of a stream follow at a position; None if `data` ends before."""
    for _ in range(count):
        head = data[position : position + FRAME_HEAD]
        if len(head) < FRAME_HEAD:
            return None
        found = frame(head)
        if found is None or found[0] != shared:
            return False
        position += found[1]
    return True


def packets_begin(data: bytes, position: int, size: int = TS_PACKET) -> bool:
    """Whether packets of MPEG-TS, each `size` bytes after the last, begin at a position."""
    starts = data[position : position + (CHAIN - 1) * size + 1 : size]
    return starts == b"\x47" * CHAIN


def _adts(head: bytes) -> tuple[object, int] | None:
    if len(head) < FRAME_HEAD or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    rate = head[2] >> 2 & 15
    return (rate, size) if rate < 13 and size > FRAME_HEAD else None


def _mpeg(head: bytes) -> tuple[object, int] | None:
    return _mpeg_of(head[:3]) if len(head) >= FRAME_HEAD else None


@lru_cache(maxsize=256)  # the frames of a file begin alike
def _mpeg_of(head: bytes) -> tuple[object, int] | None:
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbits, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or kbits in (0, 15) or rate == 3:
        return None
    row = layer - 1 if version == 3 else (3 if layer == 1 else 4)
    hertz = (44_100, 48_000, 32_000)[rate] >> (0 if version == 3 else 1 if version == 2 else 2)
    bits = _MPEG_KBITS[row][kbits - 1] * 1000
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (version, layer), (12 * bits // hertz + padding) * 4
    slot = 72 if layer == 3 and version != 3 else 144
    return (version, layer), slot * bits // hertz + padding


def _ac3(head: bytes) -> tuple[object, int] | None:
    if len(head) < FRAME_HEAD or head[:2] != b"\x0b\x77":
        return None
    version, rate = head[5] >> 3, head[4] >> 6
    if version > 10:  # E-AC-3
        return (version, 0), 2 * ((head[2] & 7) << 8 | head[3]) + 2
    code = head[4] & 63
    if rate == 3 or code >= 2 * len(_AC3_KBITS):
        return None
    kbits = _AC3_KBITS[code >> 1]
    size = (4 * kbits, 2 * (320 * kbits // 147 + (code & 1)), 6 * kbits)[rate]
    return (version, rate), size


KINDS: dict[str, tuple[bytes, FrameOf]] = {
    "aac": (b"\xff", _adts),
    "mp3": (b"\xff", _mpeg),
    "ac3": (b"\x0b\x77", _ac3),
}
"""By FFmpeg's name of the format: what each frame begins with, and what tells its length."""
