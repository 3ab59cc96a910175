"""Telling a file from raw samples by its first bytes, where a pipe should give raw samples.

Samples may begin with any bytes. So a signature counts only if it has five bytes or more. Streams
of frames have no signature: each frame begins with 8 to 12 fixed bits, and several different frames
have to follow one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from parrotlet.signatures import Kind, signature

HEAD_BYTES = 64
"""What is enough for signatures: 2 ms of samples."""

FRAMES_BYTES = 8192
"""What is looked at for frames in a row: a quarter of a second of samples."""

_FRAMES = 4
"""Frames in a row that are no chance."""

_REMEDIES = {
    Kind.RECORDING: "convert it: ffmpeg -i INPUT -f s16le -ar 16000 -ac 1 - | parrotlet stream -",
    Kind.ARCHIVE: "unpack it, and convert what is in it if it is no raw samples",
    Kind.PAGE: "fetch the recording itself",
    Kind.LFS: "fetch the file itself: git lfs pull",
    Kind.MODEL: "name it with --model",
}

_Frame = tuple[object, int]
"""What all frames of a stream share, and the length of one in bytes."""


def what_it_is(data: bytes) -> tuple[str, str] | None:
    """Return what `data`, the beginning of a stream, is instead of samples, and a remedy."""
    found = signature(data)
    if found is not None:
        return found[0], _REMEDIES[found[1]]
    stream = _stream_of_frames(data[:FRAMES_BYTES])
    return None if stream is None else (stream, _REMEDIES[Kind.RECORDING])


def may_be_frames(data: bytes) -> bool:
    """Whether `data` begins like a frame, so that more of it is needed."""
    return data[:1] == b"\x47" or any(frame(data, 0) is not None for frame in _KINDS.values())


def _stream_of_frames(data: bytes) -> str | None:
    if _transport_stream(data):
        return "MPEG-TS"
    for name, frame in _KINDS.items():
        if any(_in_a_row(data, start, frame) for start in _starts(data, _SYNCS[name])):
            return name
    return None


def _starts(data: bytes, sync: bytes) -> Iterator[int]:
    position = data.find(sync)
    while position >= 0:
        yield position
        position = data.find(sync, position + 1)


def _in_a_row(data: bytes, start: int, frame: Callable[[bytes, int], _Frame | None]) -> bool:
    """Whether frames of one kind follow each other; those of a periodic signal are all equal."""
    kind = None
    bodies = set()
    for _ in range(_FRAMES):
        found = frame(data, start)
        if found is None or (kind is not None and found[0] != kind):
            return False
        kind, size = found
        if start + size > len(data):
            return False
        bodies.add(data[start : start + size])
        start += size
    return len(bodies) > 1


_MPEG_KBITS = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
"""Bit rates of MPEG 1 layers I to III, MPEG 2 layer I, MPEG 2 layers II and III."""

_MPEG_RATES = (44_100, 48_000, 32_000)


def _mpeg(data: bytes, at: int) -> _Frame | None:
    """ISO 11172-3 and 13818-3; MPEG 2.5, version 0, has half the rates of MPEG 2."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or kbits in (0, 15) or rate == 3:
        return None
    row = layer - 1 if version == 3 else min(layer + 2, 4)
    bits = _MPEG_KBITS[row][kbits - 1] * 1000
    hertz = _MPEG_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (version, layer, rate), (12 * bits // hertz + padding) * 4
    slots = 72 if layer == 3 and version != 3 else 144
    return (version, layer, rate), slots * bits // hertz + padding


def _adts(data: bytes, at: int) -> _Frame | None:
    """ISO 13818-7, 6.2."""
    head = data[at : at + 7]
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if head[2] >> 2 & 15 > 12 or size < 8:
        return None
    return (head[1], head[2], head[3] & 0xF0), size


def _loas(data: bytes, at: int) -> _Frame | None:
    """ISO 14496-3, 1.7.2: AAC in LATM."""
    head = data[at : at + 3]
    if len(head) < 3 or head[0] != 0x56 or head[1] & 0xE0 != 0xE0:
        return None
    size = 3 + ((head[1] & 0x1F) << 8 | head[2])
    return ("loas", size) if size > 8 else None


_AC3_KBITS = (
    32,
    40,
    48,
    56,
    64,
    80,
    96,
    112,
    128,
    160,
    192,
    224,
    256,
    320,
    384,
    448,
    512,
    576,
    640,
)


def _ac3(data: bytes, at: int) -> _Frame | None:
    """ETSI TS 102 366: AC-3, and E-AC-3, whose frames say how long they are."""
    head = data[at : at + 6]
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return None
    version, rate = head[5] >> 3, head[4] >> 6
    if version > 10:
        return ("eac3", 2 * ((head[2] & 7) << 8 | head[3]) + 2) if version == 16 else None
    index = head[4] & 0x3F
    if rate == 3 or index >= 2 * len(_AC3_KBITS):
        return None
    words = _AC3_KBITS[index >> 1] * 96_000 // (48_000, 44_100, 32_000)[rate]
    return ("ac3", rate), 2 * (words + (index & 1 if rate == 1 else 0))


_KINDS: dict[str, Callable[[bytes, int], _Frame | None]] = {
    "AAC (ADTS)": _adts,
    "MP3": _mpeg,
    "AC-3": _ac3,
    "AAC (LATM)": _loas,
}
_SYNCS = {"AAC (ADTS)": b"\xff", "MP3": b"\xff", "AC-3": b"\x0b\x77", "AAC (LATM)": b"\x56"}


def _transport_stream(data: bytes) -> bool:
    """Whether there are packets of ISO 13818-1 in a row, with time stamps (192 bytes) or without.

    Packets count up, which the equal packets of a periodic signal do not.
    """
    for size in (188, 192, 204):
        for start in range(min(size, len(data))):
            if data[start] == 0x47 and _packets_in_a_row(data[start:], size):
                return True
    return False


def _packets_in_a_row(data: bytes, size: int) -> bool:
    heads = [data[at : at + 4] for at in range(0, len(data) - 3, size)]
    if len(heads) < 2 * _FRAMES:
        return False
    counts: dict[int, int] = {}
    moved = 0
    for head in heads:
        program, content = (head[1] & 0x1F) << 8 | head[2], head[3] >> 4 & 3
        if head[0] != 0x47 or head[1] & 0x80 or head[3] & 0xC0 or not content:
            return False
        count = head[3] & 15
        moved += counts.get(program, count) != count
        counts[program] = count
    return moved > 0 or len(counts) > 2
