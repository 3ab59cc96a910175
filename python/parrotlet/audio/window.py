"""What a demuxer gets to read: one piece of a recording, as a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from parrotlet.audio.containers import SPLITTERS as CONTAINERS
from parrotlet.audio.pieces import Piece, next_start
from parrotlet.audio.sample_files import SPLITTERS as SAMPLE_FILES
from parrotlet.audio.signatures import (
    HEAD_BYTES,
    find_signature,
    signature_at,
    tag_bytes,
)
from parrotlet.audio.source import Contents
from parrotlet.audio.transport_streams import transport_stream

_OVERHEAD = 512
"""Bytes of a container between two packets that need not be damaged ones."""

_OGG_FLAC = b"\x7fFLAC"
"""What stands 9 bytes before the header of FLAC inside Ogg."""

_ZEROS = b"\0\0\0"
_ROW = 512  # pairs of bytes that are looked at for one of zeros

MAX_BARREN = 16
"""Pieces in a row without a sample after which the rest is not looked at."""


class Window:
    """A piece as a binary file that seeks."""

    def __init__(self, contents: Contents, piece: Piece) -> None:
        """Read `piece` of `contents`; its end comes nearer when a marker is met."""
        self.name = contents.name
        self.piece = piece
        self.end = piece.end
        """Position in the recording after the last byte of the piece, as far as is known."""
        self.format = ""
        """FFmpeg's name of its format, once it is open."""
        self.fruitful = False
        """Whether there was sound in it; who decodes says so."""
        self.has_lost = False
        """Whether there were bytes between packets that were none."""
        self._failure: BaseException | None = None
        self._packet, self._packet_end = -1, 0
        self._none = 0, 0  # from where to where no recording begins
        self._ends = piece.known_end
        self._contents = contents
        self._shift = piece.start - len(piece.prefix)
        self._position = 0

    def read(self, count: int = -1) -> bytes:
        """Read as files do, but for what is raised: `check` raises that, and the file ends here.

        FFmpeg would read on, and PyAV prints the first of two exceptions.
        """
        try:
            return b"" if self._failure is not None else self._read(count)
        except BaseException as error:
            self._failure = error
            return b""

    def check(self) -> None:
        """Raise what reading has raised."""
        if self._failure is not None:
            raise self._failure

    def _read(self, count: int) -> bytes:
        size = self.size
        if count < 0:
            count = size - self._position
        count = min(count, size - self._position)
        if count <= 0:
            return b""
        prefix = self.piece.prefix[self._position : self._position + count]
        data = prefix or self._marked(self._position + self._shift, count)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek as files do."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Position as files have it."""
        return self._position

    @property
    def size(self) -> int:
        """Bytes of the piece as a file, with its prefix."""
        return self.end - self._shift

    @property
    def finish(self) -> int:
        """Position in the recording from which on something else may stand."""
        return self.end if self._ends else min(self._packet_end + self._shift, self.end)

    def reach(self, position: int | None, size: int) -> None:
        """Note that a packet of some size is, or begins, at this position of the file."""
        if position == self._packet_end:
            self._packet, self._packet_end = position, position + size
        elif position is None or position < 0:
            return
        elif position == self._packet:  # several in one page, which has one position
            self._packet_end += size
        else:
            if position > self._packet_end + _OVERHEAD and self._packet >= 0:
                self.has_lost = True
            self._packet, self._packet_end = position, position + size

    def begun(self, position: int) -> None:
        """Note that a packet, whose size says nothing, begins at this position of the file."""
        self._packet, self._packet_end = position, position + 1

    @property
    def reached(self) -> int:
        """Position in the file after the last packet that was read."""
        return self._packet_end

    def peek(self, position: int, count: int = HEAD_BYTES) -> bytes:
        """Return what stands at a position of the file, without moving there."""
        return self._contents.read(position + self._shift, count)

    def look_for_another(self, start: int, end: int) -> bool:
        """Look whether another recording begins between two positions of the file; end there."""
        if self.piece.known_end:
            return False
        begin = max(start + self._shift, self.piece.start + 1)
        end = min(end + self._shift, self.end)
        none_from, none_until = self._none
        if none_from <= begin <= none_until:  # damage may go on for long, packet by packet
            begin = max(begin, none_until)
        else:
            none_from = begin
        found = find_signature(self._contents, begin, end)
        if found is None:
            self._none = none_from, max(begin, end)
            return False
        self._end_at(found)
        return True

    def _marked(self, position: int, count: int) -> bytes:
        """Read from the recording, up to a marker if there is one."""
        marker = self.piece.marker
        if marker is None:
            return self._contents.read(position, count)
        data = self._contents.read(position, count + len(marker) - 1)
        found = find_marker(data, marker, max(0, self.piece.marked_from - position))
        while found >= 0:
            inner = self._contents.read(position + found - 9, 5) == _OGG_FLAC
            if not inner and signature_at(self._contents, position + found):
                self._end_at(position + found)
                break
            found = find_marker(data, marker, found + 1)
        return data[: min(count, self.end - position)]

    def _end_at(self, position: int) -> None:
        self.end, self._ends = position, True


def find_marker(data: bytes, marker: bytes, start: int) -> int:
    """Return what `data.find(marker, start)` does, for compressed sound in half of its time.

    There, pairs of zero bytes are rare. Of three zero bytes in a marker, two are a pair that begins
    at an even place.
    """
    rows = len(data) // (2 * _ROW)
    if _ZEROS not in marker or not rows:
        return data.find(marker, start)
    words = np.frombuffer(data, np.uint16, rows * _ROW).reshape(rows, _ROW)
    reach = len(marker)
    for row in np.flatnonzero(words.min(axis=1) == 0).tolist():
        begin = 2 * _ROW * row
        found = data.find(marker, max(start, begin - reach), begin + 2 * _ROW + reach)
        if found >= 0:
            return found
    return data.find(marker, max(start, 2 * _ROW * rows - reach))


def windows(contents: Contents) -> Iterator[Window]:
    """Give the pieces of a recording one after the other.

    Each has to be read to its end before the next is asked for, and to be told how far that is.
    """
    position: int | None = 0
    barren = 0
    while position is not None and position < contents.size:
        finish, former = position, ""
        for piece in _pieces_at(contents, position):
            window = Window(contents, piece)
            yield window
            finish, former = max(finish, window.finish), window.format
            barren = 0 if window.fruitful else barren + 1
            if barren > MAX_BARREN:
                return
        position = next_start(contents, max(finish, position + 1), former)


def _pieces_at(contents: Contents, start: int) -> Iterator[Piece]:
    """Give the pieces of the file that begins at `start`."""
    body = start + tag_bytes(contents, start)
    head = contents.read(body, HEAD_BYTES)
    found = False
    for split in (*SAMPLE_FILES, *CONTAINERS, transport_stream):
        for piece in split(contents, start, body, head):
            found = True
            yield piece
        if found:
            return
    yield Piece(start, contents.size, known_end=False)
