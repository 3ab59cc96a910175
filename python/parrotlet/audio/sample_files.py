"""Files of bare samples behind a header: WAV, RF64, W64, AIFF, AU.

Their headers give lengths, which are still at their first values where a recorder crashed or wrote
to a pipe. Each stretch of samples becomes a piece with a header that is right.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from parrotlet.audio.pieces import Extent, Piece, extent
from parrotlet.audio.source import Contents

_PLACEHOLDER = 0x7FFF_0000
"""Lengths from here on are what programs write that cannot know the length."""

_HEADER_BYTES = 1 << 16  # longest description of a format that is believed
_UNKNOWN = 0xFFFF_FFFF

_W64_ID = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_W64_SILENT_BYTES = 24  # of a chunk's header

_WAVE_FIELDS = 36
"""Bytes of a WAV header to the end of `wBitsPerSample`."""

_DTS_RATES = (44_100, 48_000)
"""Of discs with DTS, which are copied to files that say 16-bit stereo."""


@dataclass(frozen=True, slots=True)
class WaveFormat:
    """What the header of a WAV file says, in the order of its bytes (`order` is `struct`'s)."""

    order: str
    tag: int
    channels: int
    rate: int
    block: int
    bits: int


def wave_format(header: bytes) -> WaveFormat | None:
    """Return the format in the header of a WAV file, as pieces have it; None if it is none."""
    if len(header) < _WAVE_FIELDS or header[8:16] != b"WAVEfmt ":
        return None
    order = ">" if header.startswith(b"RIFX") else "<"
    size, tag, channels, rate, _, block = struct.unpack_from(order + "IHHIIH", header, 16)
    bits = struct.unpack_from(order + "H", header, 34)[0] if size >= 16 else 8
    return WaveFormat(order, tag, channels, rate, block, bits)


def may_hold_dts(format: WaveFormat) -> bool:
    """Whether what says that it is samples has to be searched for DTS."""
    return format.channels == 2 and format.rate in _DTS_RATES


def _waves(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give each `data` chunk of a RIFF, RIFX, RF64 or BW64 file."""
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return
    order = ">" if head[:4] == b"RIFX" else "<"
    form: bytes | None = None
    long_size = None
    position = body + 12
    while len(chunk := contents.read(position, 8)) == 8:
        name, size = chunk[:4], struct.unpack(order + "I", chunk[4:])[0]
        inner = position + 8
        if name == b"data" and form is not None:
            if size == _UNKNOWN and long_size is not None:
                found = extent(contents, inner, long_size, placeholder=False)
            else:
                found = extent(contents, inner, size, placeholder=size >= _PLACEHOLDER)
            count = found.end - inner
            magic = b"RIFX" if order == ">" else b"RIFF"
            yield _piece(
                inner,
                found,
                prefix=magic
                + struct.pack(order + "I", _UNKNOWN)
                + b"WAVEfmt "
                + struct.pack(order + "I", len(form))
                + form
                + b"data"
                + struct.pack(order + "I", min(count, _UNKNOWN)),
                declared=size if long_size is None else long_size,
                block=struct.unpack_from(order + "H", form, 12)[0],
            )
            position = found.end + (found.end - inner) % 2
            # Some do not fill up to an even length.
            if contents.read(position - 1, 4) in (b"data", b"LIST", b"RIFF"):
                position -= 1
            continue
        if name in (b"RIFF", b"RIFX", b"RF64", b"BW64") or not name.strip(b"\0"):
            return
        if name == b"fmt " and 14 <= size <= _HEADER_BYTES:
            form = contents.read(inner, size)
            if len(form) < size:
                return
        elif name == b"ds64" and size >= 28:
            long_size = struct.unpack("<Q", contents.read(inner + 8, 8).ljust(8, b"\0"))[0]
        position = inner + size + size % 2


def _w64(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give the samples of a Sony Wave64 file."""
    if not head.startswith(b"riff\x2e\x91\xcf\x11") or head[24:28] != b"wave":
        return
    form: bytes | None = None
    position = body + 40
    while len(chunk := contents.read(position, 24)) == 24:
        size = struct.unpack("<Q", chunk[16:])[0]
        inner = position + _W64_SILENT_BYTES
        size = max(0, size - _W64_SILENT_BYTES)
        if chunk == b"data" + _W64_ID + chunk[16:] and form is not None:
            found = extent(contents, inner, size, placeholder=size >= 1 << 62, chunks=False)
            yield _piece(
                inner,
                found,
                prefix=b"RIFF\xff\xff\xff\xffWAVEfmt "
                + struct.pack("<I", len(form))
                + form
                + b"data"
                + struct.pack("<I", min(found.end - inner, _UNKNOWN)),
                declared=size,
                block=struct.unpack_from("<H", form, 12)[0],
            )
            return
        if chunk[:4] == b"fmt " and 14 <= size <= _HEADER_BYTES:
            form = contents.read(inner, size).ljust(size, b"\0")
        position = inner + (size + 7) // 8 * 8


def _aiff(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give the samples of an AIFF or AIFF-C file."""
    if head[:4] != b"FORM" or head[8:12] not in (b"AIFF", b"AIFC"):
        return
    common: bytes | None = None
    position = body + 12
    while len(chunk := contents.read(position, 8)) == 8:
        size = struct.unpack(">I", chunk[4:])[0]
        inner = position + 8
        if chunk[:4] == b"SSND" and common is not None:
            skipped = contents.read(inner, 8)
            placeholder = size >= _PLACEHOLDER
            declared = max(0, size - 8)
            found = extent(contents, inner + 8, declared, placeholder)
            count = found.end - inner
            channels, _, bits = struct.unpack_from(">HIH", common)
            yield _piece(
                inner + 8,
                found,
                prefix=b"FORM"
                + struct.pack(">I", min(count + 20 + len(common), _UNKNOWN))
                + head[8:12]
                + b"COMM"
                + struct.pack(">I", len(common))
                + common
                + bytes(len(common) % 2)
                + b"SSND"
                + struct.pack(">I", min(count, _PLACEHOLDER))
                + skipped,
                declared=declared,
                block=channels * ((bits + 7) // 8),
            )
            return
        if chunk[:4] == b"COMM" and 18 <= size <= _HEADER_BYTES:
            common = contents.read(inner, size).ljust(size, b"\0")
        position = inner + size + size % 2


def _au(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give the samples of an AU file."""
    if head[:4] != b".snd" or len(head) < 24:
        return
    offset, size, coding, rate, channels = struct.unpack(">5I", head[4:24])
    if not 24 <= offset <= _HEADER_BYTES:
        return
    inner = body + offset
    found = extent(contents, inner, size, placeholder=size >= _PLACEHOLDER, chunks=False)
    yield _piece(
        inner,
        found,
        prefix=struct.pack(
            ">4s5I", b".snd", 24, min(found.end - inner, _UNKNOWN), coding, rate, channels
        ),
        declared=size,
        block=channels * {2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8}.get(coding, 1),
    )


def _piece(start: int, found: Extent, prefix: bytes, declared: int, block: int) -> Piece:
    claim = None
    if not found.believed:
        claim = f"{declared // max(1, block)} samples"
    return Piece(start, found.end, prefix=prefix, cut=found.cut, claim=claim)


SPLITTERS: tuple[Callable[[Contents, int, int, bytes], Iterator[Piece]], ...] = (
    _waves,
    _w64,
    _aiff,
    _au,
)
"""Each gives pieces of a file that begins with `head` at `body`, behind tags at `start`."""
