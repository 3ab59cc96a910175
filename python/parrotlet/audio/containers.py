"""Containers: MP4, Matroska, AVI, CAF and FLV, whose top level is walked, and Ogg and FLAC."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from parrotlet.audio.pieces import Piece, extent
from parrotlet.audio.signatures import EBML
from parrotlet.audio.source import Contents

_FLV_READ = 1 << 16
_FIRST_PAGE = b"OggS\x00\x02"  # of an Ogg stream
_FLAC = b"fLaC\x00\x00\x00\x22"

_BOXES = frozenset(
    b"ftyp moov mdat wide free skip styp pnot moof sidx uuid meta mfra udta emsg".split()
)
_CAF_CHUNKS = frozenset(
    b"desc data pakt chan info free kuki strg mark regn inst midi ovvw peak edct umid uuid".split()
)
_CAF_HEADER_BYTES = 1 << 20  # before the samples of a CAF file whose length is replaced

_SEGMENT = b"\x18\x53\x80\x67"
_MATROSKA_PARTS = (
    b"\x1f\x43\xb6\x75",  # Cluster
    b"\x11\x4d\x9b\x74",  # SeekHead
    b"\x15\x49\xa9\x66",  # Info
    b"\x16\x54\xae\x6b",  # Tracks
)


def _boxes(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give an MP4 or MOV file, which ends where another one begins."""
    if head[4:8] not in _BOXES:
        return
    position = body
    seen: set[bytes] = set()
    cut = False
    while len(box := contents.read(position, 16)) >= 8:
        size, name = struct.unpack(">I4s", box[:8])
        if seen and (name == b"ftyp" or (name == b"moov" and name in seen)):
            break
        if not all(0x20 <= c < 0x7F or c == 0xA9 for c in name):
            break
        if size == 1 and len(box) == 16:
            size = struct.unpack(">Q", box[8:])[0]
        if size == 0:
            position = contents.size
            break
        if size < 8 or (position + size > contents.size and name not in _BOXES):
            break
        seen.add(name)
        position += size
        cut = position > contents.size
    yield Piece(body, min(position, contents.size), cut=cut)


def _matroska(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give a Matroska or WebM file, whose segment may not say how long it is."""
    if not head.startswith(EBML):
        return
    whole = Piece(body, contents.size, known_end=False, marker=EBML, marked_from=body + 4)
    header = _number(head[4:])
    if header is None or header[0] is None:
        yield whole
        return
    segment = body + 4 + header[1] + header[0]
    begin = contents.read(segment, 12)
    length = _number(begin[4:])
    if begin[:4] != _SEGMENT or length is None or length[0] is None:
        yield whole
        return
    first = segment + 4 + length[1]
    end = first + length[0]
    if end >= contents.size:
        yield Piece(body, contents.size, cut=end > contents.size)
    elif contents.read(end, 4) in _MATROSKA_PARTS or not _holds_parts(contents, first, end):
        # The length was not brought up to date: as unknown, which is all ones.
        unknown = bytes([(1 << (8 - length[1])) * 2 - 1]) + b"\xff" * (length[1] - 1)
        prefix = contents.read(body, segment + 4 - body) + unknown
        yield Piece(
            first,
            contents.size,
            known_end=False,
            prefix=prefix,
            marker=EBML,
            marked_from=first,
            claim=f"{length[0]} bytes",
        )
    else:
        yield Piece(body, end)


def _holds_parts(contents: Contents, first: int, end: int) -> bool:
    """Whether there is room for anything in a segment."""
    return end - first > 16 and contents.size > first


def _number(data: bytes) -> tuple[int | None, int] | None:
    """Read an EBML length: its value, None if it is unknown, and the bytes that it takes."""
    if not data or not data[0]:
        return None
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return None
    value = int.from_bytes(data[:width], "big") & (1 << 7 * width) - 1
    return (None if value == (1 << 7 * width) - 1 else value), width


def _avi(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give an AVI file with its continuations (OpenDML)."""
    if head[:4] != b"RIFF" or head[8:12] != b"AVI ":
        return
    size = struct.unpack("<I", head[4:8])[0]
    end = extent(contents, body + 8, size, placeholder=False)
    position = end.end + (end.end - body) % 2
    while (more := contents.read(position, 12))[:4] == b"RIFF" and more[8:] == b"AVIX":
        position += 8 + struct.unpack("<I", more[4:8])[0]
    last = min(max(position, end.end), contents.size)
    yield Piece(body, last, cut=end.cut or position > contents.size + 1)


def _caf(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give a Core Audio file."""
    if not head.startswith(b"caff\x00\x01"):
        return
    position = body + 8
    while len(chunk := contents.read(position, 12)) == 12:
        name, size = struct.unpack(">4sq", chunk)
        inner = position + 12
        if name not in _CAF_CHUNKS:
            break
        if name == b"data":
            found = extent(contents, inner, max(size, 0), placeholder=size < 0)
            if not found.believed and inner - body <= _CAF_HEADER_BYTES:
                prefix = contents.read(body, position + 4 - body) + b"\xff" * 8
                yield Piece(inner, found.end, prefix=prefix, claim=f"{size} bytes")
                return
            size = found.end - inner
        if size < 0:
            break
        position = inner + size
    yield Piece(body, min(position, contents.size), cut=position > contents.size)


def _flv(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give a Flash video up to where no tag follows another."""
    if not head.startswith(b"FLV\x01"):
        return
    position = body + int.from_bytes(head[5:9], "big") + 4
    data, first = b"", position
    while True:
        if position + 11 > first + len(data):
            data, first = contents.read(position, _FLV_READ), position
        tag = data[position - first : position - first + 11]
        if len(tag) < 11 or tag[0] & 0x1F not in (8, 9, 18) or tag[8:11] != b"\0\0\0":
            break
        position += 11 + int.from_bytes(tag[1:4], "big") + 4
    yield Piece(body, min(position, contents.size), cut=position > contents.size)


def _ogg(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give one link of a chain: up to a page that begins another stream."""
    if not head.startswith(b"OggS"):
        return
    position = body
    while (page := contents.read(position, 27 + 255))[:6] == _FIRST_PAGE and len(page) > 27:
        segments = page[26]
        position += 27 + segments + sum(page[27 : 27 + segments])
    yield Piece(
        start,
        contents.size,
        known_end=False,
        marker=_FIRST_PAGE,
        marked_from=max(position, body + 1),
    )


def _flac(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give a FLAC file up to the header of another one."""
    if head.startswith(b"fLaC"):
        yield Piece(start, contents.size, known_end=False, marker=_FLAC, marked_from=body + 4)


SPLITTERS: tuple[Callable[[Contents, int, int, bytes], Iterator[Piece]], ...] = (
    _boxes,
    _matroska,
    _avi,
    _caf,
    _flv,
    _ogg,
    _flac,
)
"""Each gives pieces of a file that begins with `head` at `body`, behind tags at `start`."""
