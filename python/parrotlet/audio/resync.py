"""Bare frames between which something else stands: those that are whole, each in its place.

FFmpeg's parsers give such bytes and the next few frames as one packet, which decoders refuse or
take for less than it is. Its time stamps count packets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from parrotlet.audio.bare_frames import CHAIN, FRAME_HEAD, KINDS, FrameOf, begins_encoding, goes_on
from parrotlet.audio.signatures import is_tag
from parrotlet.audio.window import Window

_TOLD_APART = 32
"""Bytes by which a frame is known to be another one's."""

_NEAR = 2048
"""Bytes in which what the demuxer has left out mostly ends."""

_CONSTANT = 4
"""Bytes by which the sizes of frames of a constant rate may differ, and the sum of many."""

_MOST_KEPT = 1 << 16
"""Bytes without a frame after which they are given up."""


@dataclass
class BareFrame:
    """A packet of one frame, with the time stamp where it belongs; or of bytes that are none.

    `anew` says that another encoder's frames begin with it.
    """

    data: bytes
    pos: int
    pts: int | None
    duration: int
    stream: Any
    whole: bool
    anew: bool = False

    def __bytes__(self) -> bytes:
        """Return the bytes."""
        return self.data

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.data)

    def decode(self) -> list[Any]:
        """Return its samples, as `Packet.decode` does; raises ValueError if it is no frame."""
        if not self.whole:
            raise ValueError("no frame")
        from av.packet import Packet

        packet = Packet(self.data)
        packet.pts, packet.time_base = self.pts, self.stream.time_base
        frames: list[Any] = self.stream.codec_context.decode(packet)
        return frames


def resynchronised(packets: Iterator[Any], stream: Any, window: Window) -> Iterator[Any]:
    """Give the packets of a piece that is open, those of bare frames split into them.

    What is between frames comes as packets of its own, which cannot be decoded.
    """
    kind = KINDS.get(window.format.removeprefix("e"))  # E-AC-3 is a kind of AC-3
    if kind is None:
        return packets
    split = _Resync(stream, *kind)
    frames = split.frames(packets)
    return split.placed(frames, window) if window.format == "aac" else frames


class _Resync:
    def __init__(self, stream: Any, sync: bytes, frame_of: FrameOf) -> None:
        self._stream = stream
        self._sync, self._frame_of = sync, frame_of
        self._kind: object = None
        self._sizes = _Sizes()
        self._last: Any = None
        self._rest, self._rest_at = b"", 0  # what is not given yet
        self._none_before = 0  # bytes of it in which no frame begins
        self._follows = False  # whether that begins where a frame ended
        self._next: int | None = None  # time stamp of what comes after what was split
        self._shift: int | None = 0  # to be added to time stamps; None: to be found

    def frames(self, packets: Iterator[Any]) -> Iterator[Any]:
        for packet in packets:
            if self._rest or not self._is_whole(packet):
                if self._last is None and not self._begins_in(packet):
                    yield packet  # such as one of free format, whose size no header says
                else:
                    yield from self._take(packet)
                continue
            if self._shift is None:
                known = self._next is not None and packet.pts is not None
                self._shift = self._next - packet.pts if known else 0
            if self._shift and packet.pts is not None:
                packet.pts += self._shift
            self._last = packet
            self._sizes.add(packet.size)
            yield packet
        if self._rest:
            yield from self._split(self._rest, self._rest_at, last=True)

    def placed(self, packets: Iterator[Any], window: Window) -> Iterator[Any]:
        """Give packets of ADTS, and an empty one where the demuxer has left out what is no frame.

        It counts positions as if that were not in the file.
        """
        left_out = shift = missed = 0
        for packet in packets:
            position = _position(packet) + left_out
            head = bytes(packet)[:_TOLD_APART]
            if position < 0 or head.startswith(window.peek(position)[:_TOLD_APART]):
                missed = 0
            elif missed & (missed - 1):
                missed += 1  # more seldom, the longer nothing is found
            else:
                size = _distance(window, position, head)
                left_out += size
                missed = 0 if size else missed + 1
                if size and not is_tag(window.peek(position, size)):
                    shift += self._sizes.frames(size) * (packet.duration or 0)
                    yield BareFrame(b"", _position(packet), None, 0, self._stream, False)
            if shift and packet.pts is not None:
                packet.pts += shift
            yield packet

    def _is_whole(self, packet: Any) -> bool:
        """Whether a packet is a frame, or several that belong together."""
        data = memoryview(packet)
        size = len(data)
        found = self._frame_of(bytes(data[:FRAME_HEAD]))
        if found is None:
            return False
        kind, end = found
        if end != size:  # as of E-AC-3 with more channels than a frame has
            while found is not None and end < size:
                found = self._frame_of(bytes(data[end : end + FRAME_HEAD]))
                end += found[1] if found is not None else 0
            if end != size:
                return False
        self._know(kind)
        return True

    def _begins_in(self, packet: Any) -> bool:
        """Whether a packet has a frame in it, as far as that can be known of the first ones."""
        found = self._find(bytes(packet), 0, True)
        self._none_before = 0
        return found is not None

    def _know(self, kind: object) -> None:
        """Take note of a frame's kind."""
        if kind != self._kind:
            self._kind, self._sizes = kind, _Sizes()

    def _take(self, packet: Any) -> Iterator[Any]:
        """Split a packet, together with what is left of those before it."""
        last = self._last
        if not self._rest:
            self._rest_at = _position(packet)
            self._follows = last is not None and self._rest_at == _position(last) + last.size
            if self._shift is not None:
                known = last is not None and last.pts is not None
                self._next = last.pts + self._duration if known else packet.pts
        self._shift = None
        yield from self._split(self._rest + bytes(packet), self._rest_at, last=False)

    def _split(self, data: bytes, at: int, last: bool) -> Iterator[BareFrame]:
        begin = 0
        while (found := self._find(data, begin, last)) is not None:
            start, size, kind = found
            frame = BareFrame(data[start : start + size], at + start, None, 0, self._stream, True)
            if start > begin:
                yield from self._between(data[begin:start], at + begin, frame)
            frame.pts, frame.duration = self._next, self._duration
            self._advance(1)
            self._know(kind)
            self._last = frame
            self._sizes.add(size)
            yield frame
            begin, self._follows = start + size, True
        rest = data[begin:]
        if rest and (last or len(rest) > _MOST_KEPT):
            yield self._none(rest, at + begin)
            rest, self._follows, self._none_before = b"", False, 0
        self._rest, self._rest_at = rest, at + len(data) - len(rest)

    def _find(self, data: bytes, begin: int, last: bool) -> tuple[int, int, object] | None:
        """Find the next frame of `data`: where it begins, its size and kind.

        None if there is none, or if more bytes are wanted to know; there are none after the `last`.
        """
        start = data.find(self._sync, begin + self._none_before)
        self._none_before = 0
        while start >= 0:
            found = self._frame_of(data[start : start + FRAME_HEAD])
            if found is not None:
                kind, size = found
                known = kind == self._kind
                expected = known and self._follows and start == begin
                more = 0 if expected else 1 if known else CHAIN - 1
                complete = start + size <= len(data)
                follows = goes_on(data, start + size, self._frame_of, kind, more)
                if follows is None or (follows and not complete):
                    self._none_before = start - begin
                    return (start, size, kind) if last and complete else None
                if follows:
                    return start, size, kind
            start = data.find(self._sync, start + 1)
        self._none_before = max(0, len(data) - begin - FRAME_HEAD)
        return None

    def _between(self, data: bytes, position: int, frame: BareFrame) -> Iterator[BareFrame]:
        """Give what stands before a frame, if it is anything."""
        last = self._last
        frame.anew = (
            last is not None and begins_encoding(frame.data) and not begins_encoding(bytes(last))
        )
        lost = 0 if frame.anew else self._sizes.frames(len(data))
        if lost or data.strip(b"\0"):
            yield self._none(data, position)
        self._advance(lost)

    def _none(self, data: bytes, position: int) -> BareFrame:
        return BareFrame(data, position, self._next, 0, self._stream, False)

    @property
    def _duration(self) -> int:
        return 0 if self._last is None else int(self._last.duration or 0)

    def _advance(self, frames: int) -> None:
        if self._next is not None:
            self._next += frames * self._duration


def _position(packet: Any) -> int:
    """Return where a packet begins; -1 if nobody knows."""
    return -1 if packet.pos is None else int(packet.pos)


def _distance(window: Window, position: int, head: bytes) -> int:
    """Return how far behind a position `head` stands; 0 if it does not."""
    for count in (_NEAR, _MOST_KEPT):
        if (found := window.peek(position, count).find(head)) > 0:
            return found
    return 0


class _Sizes:
    """Bytes of the frames of one kind."""

    def __init__(self) -> None:
        self._count = self._sum = self._most = 0
        self._least = _MOST_KEPT

    def add(self, size: int) -> None:
        self._count += 1
        self._sum += size
        if size < self._least:
            self._least = size
        if size > self._most:
            self._most = size

    def frames(self, size: int) -> int:
        """Return how many frames so many bytes are that were overwritten.

        Where frames are of one size and that does not fit, they stand between frames.
        """
        if not self._count:
            return 0
        mean = self._sum / self._count
        count = round(size / mean)
        if self._most - self._least > _CONSTANT:
            return max(1, count)
        return count if abs(size - count * mean) <= _CONSTANT else 0
