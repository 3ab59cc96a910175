"""The pieces of a recording: files that stand one after the other in the same bytes.

A demuxer stops where its file says that it ends. Here the lengths of the top level are walked, so
that what follows is known, and headers whose lengths lie are replaced.
"""

from __future__ import annotations

from dataclasses import dataclass

from parrotlet.audio.bare_frames import find_frames, frames_begin
from parrotlet.audio.signatures import HEAD_BYTES, find_signature, is_tag, signature_at
from parrotlet.audio.source import Contents

_NEAR_BYTES = 1 << 16
"""How far after the end of a piece frames without a file's signature are looked for."""

STRAY_BYTES = 4096
"""What may follow the sound without being taken for more of it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file among the bytes of a recording.

    A demuxer gets `prefix`, and then the bytes from `start` to `end`. Where the lengths do not
    say where it ends, `end` is that of all bytes and `known_end` false; then a `marker` begins
    another piece wherever it stands from `marked_from` on. `cut` says that the file is shorter than
    its header says, and `claim` is a length in it that is wrong.
    """

    start: int
    end: int
    known_end: bool = True
    prefix: bytes = b""
    marker: bytes | None = None
    marked_from: int = 0
    cut: bool = False
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """Where bytes end that a header gives a length for.

    `believed` is false if the length is not the right one, `cut` if bytes are missing.
    """

    end: int
    believed: bool = True
    cut: bool = False


def extent(
    contents: Contents, start: int, declared: int, placeholder: bool, chunks: bool = True
) -> Extent:
    """Return where what begins at `start` ends, if its length is said to be `declared`.

    A `placeholder` is a length that says nothing, and neither does 0. One that goes past the end
    is that of a file which was cut. Where what follows is no chunk (if there are `chunks`), tag
    or recording of its own, the length was not brought up to date, and all the rest is meant.
    """
    last = max(start, contents.size)  # a header may be all that there is
    left = last - start
    if placeholder:
        return Extent(last)
    if declared > left:
        return Extent(last, cut=True)
    end = start + declared
    rest = contents.size - end
    if declared == left or (declared and rest <= STRAY_BYTES):
        return Extent(end)
    for following in (end, end + 1):
        if chunks and _is_chunk(contents, following):
            return Extent(end)
        if declared and _is_recognised(contents, following):
            return Extent(end)
        if not declared and signature_at(contents, following):
            return Extent(end)
    if declared and find_signature(contents, end, end + STRAY_BYTES) is not None:
        return Extent(end)
    return Extent(last, believed=False)


def next_start(contents: Contents, position: int, former: str) -> int | None:
    """Find where, from `position` on, another recording begins; None if none does.

    Streams without a file's signature are found near `position` only, and if they are not of the
    `former` format: its demuxer would have gone on with them.
    """
    bare = find_frames(contents.read(position, _NEAR_BYTES), former)
    limit = contents.size if bare is None else position + bare
    signed = find_signature(contents, position, limit)
    if signed is not None:
        return signed
    return None if bare is None else limit


def _is_recognised(contents: Contents, position: int) -> bool:
    """Whether at `position`, perhaps behind zeros, is a recording of its own, a tag or the end."""
    while (data := contents.read(position, _NEAR_BYTES)) and not data.strip(b"\0"):
        position += len(data)
    zeros = len(data) - len(data.lstrip(b"\0"))
    if zeros:
        position += zeros
        data = contents.read(position, _NEAR_BYTES)
    if not data:
        return True
    return is_tag(data[:HEAD_BYTES]) or signature_at(contents, position) or frames_begin(data)


def _is_chunk(contents: Contents, position: int) -> bool:
    """Whether a chunk of RIFF or AIFF, which fits, begins at `position`."""
    head = contents.read(position, 8)
    if (
        len(head) < 8
        or not head[:4].isascii()
        or not all(chr(c).isalnum() or c == 32 for c in head[:4])
    ):
        return False
    left = contents.size - position - 8
    size = min(int.from_bytes(head[4:], "little"), int.from_bytes(head[4:], "big"))
    return bool(size <= left)
