"""MPEG transport streams, cut where their sound goes on in other tracks, as where streams of
several encoders were joined: a demuxer stays with the tracks that it found at the start.

Tables in the stream (ISO/IEC 13818-1, 2.4.4) name its tracks: the program association table (PAT)
says which packets have the tables of programs, and a program map table (PMT) names the tracks of
one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from parrotlet.audio.bare_frames import TS_PACKET, packets_begin
from parrotlet.audio.pieces import Piece
from parrotlet.audio.source import Contents

_READ = 5000  # packets at a time
_SYNC = 0x47
_PAT_PID = 0
_PAT, _PMT = 0, 2  # what tables begin with

_PICTURES = (0x01, 0x02, 0x10, 0x1B, 0x20, 0x21, 0x24, 0x33, 0x42, 0xD1, 0xEA)
_DATA = (0x05, 0x0B, 0x0D, 0x15, 0x86)
_NO_SOUND = frozenset((*_PICTURES, *_DATA))
"""Types of tracks that nobody listens to."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Packets that are `size` bytes apart, `lead` bytes of others before each."""

    size: int
    lead: int = 0

    def begins(self, data: bytes, position: int) -> bool:
        """Whether packets begin at a position of `data`."""
        return packets_begin(data, position + self.lead, self.size)


_LAYOUTS = (Layout(TS_PACKET), Layout(TS_PACKET + 4, lead=4), Layout(TS_PACKET + 16))
"""As they are; of discs and cameras (M2TS), a time before each; with check bytes behind."""

_HEAD = 4 * (TS_PACKET + 16)  # bytes that `Layout.begins` looks at, at most


def transport_stream(contents: Contents, start: int, body: int, head: bytes) -> Iterator[Piece]:
    """Give each part of a transport stream whose sound stays in its tracks."""
    if _SYNC not in (*head[:1], *head[4:5]):
        return
    data = contents.read(body, _HEAD)
    layout = next((one for one in _LAYOUTS if one.begins(data, 0)), None)
    if layout is None:
        return
    begin = start
    for position in _changes(contents, body, layout):
        yield Piece(begin, position)
        begin = position
    yield Piece(begin, contents.size, known_end=False)


def _changes(contents: Contents, position: int, layout: Layout) -> Iterator[int]:
    """Find the tables from which on tracks with sound are gone that were there before."""
    begin = pat_at = position
    wanted, listed = {_PAT_PID}, set[int]()
    sound: dict[int, set[int]] = {}  # tracks of each program, by the PID of its table
    latest: dict[int, bytes] = {}
    for at, pid, table in _tables(contents, position, layout, wanted):
        if pid == _PAT_PID:
            if programs := _programs(table):
                pat_at, listed = at, programs
                wanted |= programs
            continue
        if latest.get(pid) == table:
            continue
        latest[pid] = table
        if tracks := _sound_tracks(table):
            gone = [known for other, known in sound.items() if other == pid or other not in listed]
            if set().union(*gone) - tracks and pat_at > begin:
                yield pat_at
                begin, sound, latest = pat_at, {}, {}
            sound = {other: known for other, known in sound.items() if other in listed}
            sound[pid] = tracks


def _tables(
    contents: Contents, position: int, layout: Layout, wanted: set[int]
) -> Iterator[tuple[int, int, bytes]]:
    """Give the tables that begin in packets of the PIDs `wanted`, which may become more meanwhile:
    position of the packet, PID, and as much of the table as the packet has."""
    size, lead = layout.size, layout.lead
    while len(data := contents.read(position, _READ * size)) >= size:
        whole = np.frombuffer(data, np.uint8, len(data) // size * size).reshape(-1, size)
        packets = whole[:, lead : lead + TS_PACKET]
        lost = np.flatnonzero(packets[:, 0] != _SYNC)
        packets = packets[: lost[0]] if len(lost) else packets
        pids = (packets[:, 1] & 0x1F).astype(np.int32) << 8 | packets[:, 2]
        begins = (packets[:, 1] & 0x40) != 0
        done, known = 0, set[int]()
        while known != wanted:
            known = set(wanted)
            rows = done + np.flatnonzero(begins[done:] & np.isin(pids[done:], list(known)))
            for row in rows.tolist():
                done = row + 1
                yield position + row * size, int(pids[row]), _payload(packets[row].tobytes())
                if known != wanted:
                    break
        position += len(packets) * size if len(packets) else _next_packet(data, layout)


def _next_packet(data: bytes, layout: Layout) -> int:
    """How many bytes there are to where packets begin again, or to what may be their begin."""
    found = data.find(_SYNC, layout.lead + 1)
    while found >= 0 and not layout.begins(data, found - layout.lead):
        found = data.find(_SYNC, found + 1)
    if found >= 0:
        return found - layout.lead
    return len(data) - _HEAD + 1 if len(data) == _READ * layout.size else len(data)


def _payload(packet: bytes) -> bytes:
    """The table that begins in a packet."""
    begin = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    pointer = packet[begin] if begin < TS_PACKET else TS_PACKET
    return packet[begin + 1 + pointer :]


def _body(table: bytes, kind: int) -> bytes:
    """A table up to its checksum; nothing if it is of another kind, damaged, goes on in another
    packet, or is not yet in force."""
    if len(table) < 12 or table[0] != kind or not table[5] & 1:
        return b""
    length = 3 + _number(table, 1, 12)
    return table[: length - 4] if length <= len(table) and _is_right(table[:length]) else b""


@lru_cache(64)  # the same ones come ten times a second
def _is_right(table: bytes) -> bool:
    """Whether a table's checksum (CRC-32, annex A) is that of the table."""
    rest = 0xFFFF_FFFF
    for byte in table:
        rest ^= byte << 24
        for _ in range(8):
            rest = (rest << 1 ^ (0x04C1_1DB7 if rest >> 31 else 0)) & 0xFFFF_FFFF
    return rest == 0


def _programs(table: bytes) -> set[int]:
    """The PIDs of the tables of programs that a PAT lists."""
    body = _body(table, _PAT)
    entries = range(8, len(body) - 3, 4)
    return {_number(body, i + 2, 13) for i in entries if _number(body, i, 16)}


def _sound_tracks(table: bytes) -> set[int]:
    """The PIDs of the tracks of a PMT that may have sound."""
    body, tracks = _body(table, _PMT), set()
    i = 12 + _number(body, 10, 12) if body else 0
    while 0 < i <= len(body) - 5:
        if body[i] not in _NO_SOUND:
            tracks.add(_number(body, i + 1, 13))
        i += 5 + _number(body, i + 3, 12)
    return tracks


def _number(data: bytes, position: int, bits: int) -> int:
    """The lowest `bits` of two bytes."""
    return int.from_bytes(data[position : position + 2], "big") & (1 << bits) - 1
