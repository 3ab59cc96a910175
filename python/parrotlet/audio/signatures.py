"""How the formats of recordings begin, and where in some bytes another recording does.

Here a signature is looked for at every byte of compressed sound, so that it says more than in
`parrotlet.signatures`, which names a file by its start.
"""

from __future__ import annotations

import re

from parrotlet import signatures
from parrotlet.audio.source import Contents
from parrotlet.signatures import Kind, instead_of

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

_OTHERS = {
    Kind.PAGE: "download the recording itself",
    Kind.LFS: "fetch the file with git lfs pull",
    Kind.ARCHIVE: "unpack it and name the recording in it",
    Kind.MODEL: "name it as the model, and a recording here",
}
"""What to do with a file that is no recording."""

_SCANNED = 1 << 20  # bytes looked at a time
_LONGEST = 16  # bytes of a signature


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


def is_tag(head: bytes) -> bool:
    """Whether a tag, or nothing at all, stands where `head` does."""
    return not head.strip(b"\0") or head.startswith(_TAGS)


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
    other = instead_of(contents.read(0, signatures.HEAD_BYTES), "a recording", _OTHERS)
    if other is not None:
        return f"it {other}"
    return (
        "its format is not known; for raw samples without a header: "
        "ffmpeg -f s16le -ar RATE -ac CHANNELS -i INPUT output.wav"
    )
