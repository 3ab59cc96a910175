"""From the bytes of a piece to stretches of samples, each where its time stamps put it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from parrotlet.audio.bare_frames import is_frame
from parrotlet.audio.demuxing import TIME_BASE, decoded, packets, remaining
from parrotlet.audio.findings import Findings
from parrotlet.audio.frames import Joiner
from parrotlet.audio.resync import BareFrame, resynchronised
from parrotlet.audio.stamps import mended
from parrotlet.audio.timeline import TOLERANCE, Timeline
from parrotlet.audio.window import Window

if TYPE_CHECKING:
    from fractions import Fraction

BLOCK_SECONDS = 2.0
"""Most sound that is decoded before it is given out."""

_FLAC_LEAD = 2.0  # seconds
_BETWEEN = 8  # bytes between two frames that are looked at

_BELIEVED = ("matroska", "ogg", "asf")
"""Formats whose header has a duration that bounds their time stamps."""


_STAMPED = ("mov", "matroska", "ogg", "asf", "flv", "avi", "mpeg", "nut", "rm", "mxf", "gxf", "caf")
"""Formats that store time stamps. In others they are counted, and a gap is damage."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples [channels, n] at `rate` Hz, or `silence` seconds of none before what follows.

    `bounded` says that the samples were integers, so that none is beyond full scale; `joined`
    that another recording begins here.
    """

    rate: int
    samples: NDArray[np.float32] | None
    silence: float = 0.0
    bounded: bool = False
    joined: bool = False


def values_at_a_time(block_values: int, channels: int, rate: int) -> int:
    """Return how many samples of each channel are given out together."""
    return max(1, min(block_values // channels, round(BLOCK_SECONDS * rate)))


class PieceDecoder:
    """One sound track of a piece that is open."""

    def __init__(
        self, container: Any, window: Window, number: int, timeline: Timeline, findings: Findings
    ) -> None:
        """Decode track `number`, from 1."""
        self._container = container
        self._window = window
        self._stream = container.streams.audio[number - 1]
        if self._stream.codec_context.name == "flac":
            # A frame with a wrong checksum is noise at full scale.
            self._stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self._timeline = timeline
        self._findings = findings
        self._joiner = Joiner()
        self._another = timeline.now > 0.0  # another recording begins
        self._encoded_anew = False  # with the next frame
        self.stores_floats = self._stream.codec_context.name.startswith(("pcm_f", "wavpack"))
        """Whether samples are in the file as they are."""
        self._counted = not container.format.name.startswith(_STAMPED)
        self.packets = 0
        """Packets that there were."""

    def stretches(self, block_values: int) -> Iterator[Stretch]:
        """Give all that can be decoded, at most `block_values` values of all channels at a time."""
        timeline, joiner = self._timeline, self._joiner
        window, counted = self._window, self._counted
        alone = len(self._container.streams) == 1 and window.format != "flac"
        timeline.begin(self._origin(), alone)
        begin = timeline.now
        tick = float(self._stream.time_base)
        enough = counted_at = 0
        for frame in self._trimmed():
            pts, count, rate = frame.pts, frame.samples, frame.sample_rate
            if not count or not rate:
                continue
            # Stamps that are counted, by frames of the first rate, say nothing about another one.
            counted_at = counted_at or rate
            known = pts is not None and (rate == counted_at or not counted)
            time = pts * tick if known else None
            moved = timeline.place(time, count / rate, counted or window.has_lost)
            another = self._encoded_anew or timeline.begun_anew or joiner.differs(frame)
            self._encoded_anew = False
            if moved or another:
                yield from self._joined()
                self._another |= another
                enough = 0
                if moved > 0.0:
                    window.has_lost = False
                    yield self._stretch(rate, None, moved)
            if not enough:
                enough = values_at_a_time(block_values, frame.layout.nb_channels, rate)
            joiner.add(frame)
            if joiner.count >= enough or moved < 0.0:
                yield from self._joined(skip=round(max(0.0, -moved) * rate))
        yield from self._joined()
        self._end(begin)

    def _origin(self) -> float:
        """Time stamp in seconds at which the piece begins."""
        start = (self._container.start_time or 0) / TIME_BASE
        # FLAC counts from 0; a first frame that is damaged changes nothing about that.
        return 0.0 if self._window.format == "flac" and start < _FLAC_LEAD else float(start)

    def _frames(self) -> Iterator[Any]:
        stream = self._stream
        tick = float(stream.time_base)
        found = packets(self._container, self._window, {stream.index})
        found = resynchronised(found, stream, self._window)
        window, counted = self._window, self._counted
        flac = window.format == "flac"
        gapless = counted and not flac  # what follows FLAC has a marker
        tail = -1
        for packet in mended(found, tick, self._latest()):
            self.packets += 1
            position, size = packet.pos, packet.size
            if position is None or position < 0:
                position = window.reached
            if isinstance(packet, BareFrame):
                self._encoded_anew |= packet.anew
            # What is between frames, or what the decoder stumbles over, may be another file.
            if gapless and position > window.reached + _BETWEEN and self._follows(position):
                break
            frames = decoded(packet)
            if frames is None:
                self._timeline.broken()
                tail = position
                if self._follows(position + size):
                    break
                continue
            if flac:
                # Its parser takes all that follows the last frame for part of it, and puts frames
                # around a damaged one together.
                window.begun(position)
                if len(frames) > 1:
                    for frame in frames:
                        frame.pts = None
            else:
                window.reach(position, size)
            yield from frames
        yield from remaining(stream)
        if tail >= window.reached and counted and not is_frame(window.peek(tail)):
            self._timeline.mend()

    def _follows(self, end: int) -> bool:
        """Whether another file begins before `end` and after what has been decoded."""
        if not self._window.look_for_another(self._window.reached, end):
            return False
        self._timeline.mend()
        return True

    def _latest(self) -> float | None:
        """Time stamp in seconds at which the piece ends, if its header says so."""
        container = self._container
        if container.duration is None or not container.format.name.startswith(_BELIEVED):
            return None
        return float(((container.start_time or 0) + container.duration) / TIME_BASE)

    def _trimmed(self) -> Iterator[Any]:
        """Give the frames, without what the last one has after the end of an Ogg stream."""
        duration = self._stream.duration
        if self._container.format.name != "ogg" or duration is None:
            return self._frames()
        return self._until(duration)

    def _until(self, stop: int) -> Iterator[Any]:
        """Give the frames up to `stop`, in units of time stamps from the first of them."""
        base = self._stream.time_base
        first = held = None
        for frame in self._frames():
            if held is not None:
                yield held
                held = None
            if first is None and frame.pts is not None:
                first = frame.pts
                stop += first
            if first is not None and _end_of(frame, base) > stop:
                held = frame
            else:
                yield frame
        if held is not None:
            yield from self._shortened(held, float((stop - held.pts) * base))

    def _joined(self, skip: int = 0) -> Iterator[Stretch]:
        if self._joiner.count:
            rate = self._joiner.rate
            yield self._stretch(rate, self._joiner.take()[:, skip:])

    def _stretch(
        self, rate: int, samples: NDArray[np.float32] | None, silence: float = 0.0
    ) -> Stretch:
        another, self._another = self._another, False
        return Stretch(rate, samples, silence, self._joiner.bounded, another)

    def _shortened(self, frame: Any, seconds: float) -> Iterator[Any]:
        """Give the first seconds of a frame."""
        count = min(round(seconds * frame.sample_rate), frame.samples)
        if count <= 0:
            yield frame
            return
        from av import AudioFifo

        fifo = AudioFifo()
        stamp, frame.pts = frame.pts, None
        fifo.write(frame)
        short: Any = fifo.read(count)
        short.pts, short.time_base = stamp, frame.time_base
        yield short

    def _end(self, begin: float) -> None:
        """Note what is missing at the end of the piece."""
        now = self._timeline.now
        total = self._stream.duration
        short = (
            self._container.format.name == "flac"
            and total is not None
            and float(total * self._stream.time_base) > now - begin + TOLERANCE
        )
        if self._timeline.mend() or short or self._window.piece.cut:
            self._findings.cut(now)


def _end_of(frame: Any, base: Fraction) -> float:
    """Time stamp, in units of `base`, at which a frame ends; 0 if it has none."""
    if frame.pts is None:
        return 0.0
    return float(frame.pts + frame.samples / frame.sample_rate / base)
