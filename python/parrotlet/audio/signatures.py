"""How the formats of recordings begin, and where in some bytes another recording does."""

from __future__ import annotations

import re

from parrotlet.audio.source import Contents

HEAD_BYTES = 64
"""What is enough to tell a format by its signature."""

EBML = b"\x1a\x45\xdf\xa3"
"""What Matroska and WebM begin with."""

_ID3 = rb"ID3[\x02-\x04]\x00[\x00-\xf0][\x00-\x7f]{4}"

_SIGNATURE = re.compile(
    rb"RIF[FX]....(?:WAVE|AVI )|(?:RF|BW)64....WAVE|riff\x2e\x91\xcf\x11|FORM....AIF[FC]|"
    rb"\.snd\x00\x00..|caff\x00\x01\x00|OggS\x00[\x02\x06]|fLaC[\x00\x80]\x00\x00\x22|"
    rb"\x1a\x45\xdf\xa3[\x01\x08-\xff]|FLV\x01[\x01\x04\x05]\x00\x00\x00|"
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11|#!AMR(?:-WB)?\n|TTA1\x01\x00|wvpk..\x00\x00|MAC ..\x00\x00|"
    + _ID3
    + rb"|(?<=\x00\x00\x00.)ftyp[ -~]{4}",
    re.DOTALL,
)
"""Every signature that stands at the start of a recording, or 4 bytes after it (`ftyp`)."""

_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
"""What may follow the sound: ID3v1, APE, Lyrics3, ID3v2."""

_SCANNED = 1 << 20  # bytes looked at a time
_LONGEST = 16  # bytes of a signature
_WEAK_BYTES = 1 << 16
"""How far after the end of a piece frames without a file's signature are looked for."""

_CHAIN = 4
"""Frames in a row that are taken for a stream and not for chance."""

_MPEG_KBITS = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),  # 1, layer I
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),  # 1, layer II
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # 1, layer III
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),  # 2, layer I
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # 2, layers II and III
)
_TS_PACKET = 188


def signature_at(contents: Contents, position: int) -> bool:
    """Whether a file of a known format begins at `position`."""
    head = contents.read(position, HEAD_BYTES)
    if head.startswith(EBML):
        return b"matroska" in head or b"webm" in head
    return _SIGNATURE.match(head) is not None or head[4:8] == b"ftyp"


def find_signature(contents: Contents, start: int, end: int) -> int | None:
    """Find the first signature that begins in [start, end)."""
    position = start
    while position < end:
        count = min(_SCANNED, end - position)
        # What stands before `ftyp` counts as well.
        data = contents.read(position, count + _LONGEST)
        for match in _SIGNATURE.finditer(data):
            found = match.start() - (4 if match.group().startswith(b"ftyp") else 0)
            if 0 <= found < count and signature_at(contents, position + found):
                return position + found
        position += count
    return None


def tag_bytes(contents: Contents, position: int) -> int:
    """Length of the ID3v2 tags at `position`; 0 where there is none."""
    start = position
    while re.match(_ID3, head := contents.read(position, 10)):
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte
        position += 10 + size + (10 if head[5] & 0x10 else 0)
    return position - start


def is_recognised(contents: Contents, position: int) -> bool:
    """Whether what stands at `position` is a recording of its own, a tag, or nothing at all."""
    head = contents.read(position, HEAD_BYTES)
    return (
        not head.strip(b"\0")
        or head.startswith(_TAGS)
        or signature_at(contents, position)
        or frames_begin(contents.read(position, _WEAK_BYTES), 0)
    )


def next_start(contents: Contents, position: int) -> int | None:
    """Find where, from `position` on, another recording begins; None if none does."""
    data = contents.read(position, _WEAK_BYTES)
    bare = _find_frames(data)
    limit = contents.size if bare is None else position + bare
    signed = find_signature(contents, position, limit)
    if signed is not None:
        return signed
    return None if bare is None else position + bare


def _find_frames(data: bytes) -> int | None:
    """Find the first chain of frames of a stream that has no file header."""
    position = data.find(b"\xff")
    while position >= 0:
        if frames_begin(data, position):
            return position
        position = data.find(b"\xff", position + 1)
    for position in range(min(2 * _TS_PACKET, len(data))):
        if _packets_begin(data, position):
            return position
    return None


def frames_begin(data: bytes, position: int) -> bool:
    """Whether a chain of MPEG audio or ADTS frames, or of TS packets, begins at `position`."""
    if _packets_begin(data, position):
        return True
    kind = None
    for _ in range(_CHAIN):
        frame = _frame(data[position : position + 7])
        if frame is None or kind not in (None, frame[0]):
            return False
        kind = frame[0]
        position += frame[1]
    return True


def _packets_begin(data: bytes, position: int) -> bool:
    starts = data[position : position + _CHAIN * _TS_PACKET : _TS_PACKET]
    return starts == b"\x47" * _CHAIN


def _frame(head: bytes) -> tuple[object, int] | None:
    """Return what all frames of a stream share, and the length in bytes of one."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:  # ADTS
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        rate = head[2] >> 2 & 15
        return (("adts", rate), size) if rate < 13 and size > 7 else None
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


def why_unreadable(contents: Contents) -> str:
    """Say what is wrong with a file that no demuxer takes, and what to do."""
    head = contents.read(0, HEAD_BYTES)
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide"):
        return (
            "its index, the box moov, is missing or damaged: it was not finished, or not copied to "
            "its end; copy it again, or repair it with a program such as untrunc"
        )
    if signature_at(contents, 0):
        return "its header is damaged; copy or download it again"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page; download the recording itself"
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS; fetch the file with git lfs pull"
    return (
        "its format is not known; for raw samples without a header: "
        "ffmpeg -f s16le -ar RATE -ac CHANNELS -i INPUT output.wav"
    )
