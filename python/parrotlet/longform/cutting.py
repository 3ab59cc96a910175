"""Cutting a recording of any length into windows, while it is read.

Only what the next window needs is in memory. A recording falls into takes, each recognised as if it
were alone: at digital silence (samples that are all zero, as where recordings were joined or a
microphone was muted), which is left out, and at clear pauses, found by the energy of the signal. A
take that is longer than a window is cut in the longest pause that a window's last part has; the
windows overlap there, so that whatever is said around the cut is whole in one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet.longform.limits import Limits

Samples = NDArray[np.float32]

HOP = 160
"""Samples whose level is measured together: 10 ms at 16 kHz."""

SILENT = 2.0**-24
"""Smaller samples are digital silence: half a step of 24 bits, which resampling may leave."""

SILENT_HOPS = 24
"""Hops of digital silence that end a take: a quarter second has so many whole ones at least."""

CLEAR_HOPS = 100
"""Hops of a clear pause, which ends a take as well: a second, mostly the end of a sentence."""

CLEAR_LEVEL = 0.3
"""Like `PAUSE_LEVEL`, for clear pauses: there is no overlap to make up for a faint word."""

CLEAR_RANGE = 15.0
"""Decibels between noise and speech without which no pause is clear."""

LEAD_HOPS = 50
"""Hops of a clear pause, or half of it, that the take after it begins with."""

PAUSE_LEVEL = 0.35
"""Where between the noise (10th percentile) and the speech (90th) a pause begins, in decibels."""

PAUSE_HOPS = 10
"""A pause is as long as this at least; shorter ones are gaps within words."""

GOOD_PAUSE_HOPS = 100
"""Longer pauses are no better to cut in."""

MIN_SAMPLES = 1600
"""Windows are filled up to so many samples with silence."""

_FLOOR = 1e-12
"""Power that is taken for the least there is: -120 dB of full scale."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a recording that is recognised at once.

    Positions are in samples from the start of the recording, `end` after the last one. The take
    that the window belongs to begins at `take_start`. `cut` is where the part begins that this
    window is the better witness of, and `start` for the first of a take. `whole` says that the
    window is the recording as it is.
    """

    start: int
    end: int
    take_start: int
    cut: int
    whole: bool = False

    @property
    def first_of_take(self) -> bool:
        """Whether nothing of the take comes before."""
        return self.start == self.take_start


class Cutter:
    """Cuts the samples that `blocks` give; `length` is their number once all have been read."""

    def __init__(self, blocks: Iterable[Samples], limits: Limits) -> None:
        """Start to read when the windows are asked for."""
        self._signal = _Signal(blocks)
        self._limits = limits

    @property
    def length(self) -> int:
        """Samples read so far."""
        return self._signal.end

    def windows(self) -> Iterator[tuple[Window, Samples]]:
        """Give the windows and their samples; the whole recording as it is, if it fits one pass."""
        if not self._signal.read_until(self._limits.one_pass + 1):
            end = self._signal.end
            yield Window(0, end, 0, 0, whole=True), self._signal.part(0, end)
            return
        start = self._signal.next_sound(0)
        while start is not None:
            end = start
            for window, samples in self._take(start):
                yield window, samples
                end = window.end
            start = self._signal.next_sound(end)

    def _take(self, start: int) -> Iterator[tuple[Window, Samples]]:
        """Give the windows from `start` up to the next digital silence."""
        limits, signal = self._limits, self._signal
        begin = cut = start
        while True:
            limit = begin + limits.window
            signal.forget(begin)
            signal.read_until(limit + (SILENT_HOPS + 2) * HOP)
            end = signal.end_of_take(cut, limit)
            if end is not None:
                yield self._window(begin, end, start, cut)
                return
            next_cut = signal.quietest(
                cut + (limit - limits.overlap - cut) // 2, limit - limits.overlap
            )
            yield self._window(begin, min(next_cut + limits.overlap, limit), start, cut)
            # Frames of the next window fall where those of this one do, if windows are longer.
            following = next_cut - limits.overlap
            aligned = start + (following - start) // limits.grid * limits.grid
            begin, cut = max(begin, aligned if aligned > begin else following), next_cut

    def _window(self, begin: int, end: int, take_start: int, cut: int) -> tuple[Window, Samples]:
        samples = self._signal.part(begin, end)
        if len(samples) < MIN_SAMPLES:
            samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
        return Window(begin, end, take_start, cut), samples


class _Signal:
    """What is read and still needed of a signal, and its level per hop."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = iter(blocks)
        self._samples = np.empty(0, dtype=np.float32)
        self._start = 0  # position of the first sample kept, a multiple of HOP
        self._exhausted = False
        self._power = np.empty(0, dtype=np.float64)  # mean square of each whole hop that is kept
        self._silent = np.empty(0, dtype=np.bool_)  # whether it is digital silence

    @property
    def end(self) -> int:
        return self._start + len(self._samples)

    def part(self, begin: int, end: int) -> Samples:
        """Copy what lies between two positions."""
        return self._samples[begin - self._start : end - self._start].copy()

    def forget(self, position: int) -> None:
        """Drop what lies before `position`."""
        hops = max(0, position - self._start) // HOP
        self._samples = self._samples[hops * HOP :]
        self._power, self._silent = self._power[hops:], self._silent[hops:]
        self._start += hops * HOP

    def read_until(self, position: int) -> bool:
        """Read on until `position` is known; whether the recording reaches so far."""
        new = []
        size = self.end
        while size < position and not self._exhausted:
            block = next(self._blocks, None)
            if block is None:
                self._exhausted = True
            else:
                new.append(block)
                size += len(block)
        if new:
            self._samples = np.concatenate([self._samples, *new])
            self._measure()
        return self.end >= position

    def _measure(self) -> None:
        known = len(self._power)
        whole = len(self._samples) // HOP
        hops = self._samples[known * HOP : whole * HOP].reshape(-1, HOP)
        # Without copies of the samples: so early there may be four minutes of them.
        power = np.einsum("ij,ij->i", hops, hops, dtype=np.float64) / HOP
        silent = (hops.max(axis=1) < SILENT) & (hops.min(axis=1) > -SILENT)
        self._power = np.concatenate([self._power, power])
        self._silent = np.concatenate([self._silent, silent])

    def next_sound(self, position: int) -> int | None:
        """Find the first sample from `position` on that is not silent; None if all are."""
        while True:
            self.forget(position)
            here = np.flatnonzero(np.abs(self._samples[position - self._start :]) >= SILENT)
            if len(here):
                return position + int(here[0])
            position = self.end
            if not self.read_until(position + 1):
                return None

    def end_of_take(self, begin: int, limit: int) -> int | None:
        """Find where what is said from `begin` on ends: at a pause, or with the recording.

        None if that is not before `limit`.
        """
        sound = self._end_of_sound(begin, limit)
        pause = self._clear_pause(begin, limit if sound is None else sound)
        return sound if pause is None else pause

    def _end_of_sound(self, begin: int, limit: int) -> int | None:
        """Find where digital silence begins, or the recording ends; what is silent is left out."""
        first = (begin - self._start) // HOP
        for start, length in _runs(self._silent[first:]):
            if length >= SILENT_HOPS:
                found = self._start + (first + start) * HOP
                return self._last_sound(found) if found < limit else None
        if not self._exhausted or self.end > limit:
            return None
        return self._last_sound(self.end)

    def _clear_pause(self, begin: int, limit: int) -> int | None:
        """Find where to cut in the first clear pause that speech stands before and after."""
        first, last = (begin - self._start) // HOP, (limit - self._start) // HOP
        levels = self._levels(last)
        noise, speech = np.percentile(levels, [10, 90]) if len(levels) else (0.0, 0.0)
        if speech - noise < CLEAR_RANGE:
            return None
        quiet = levels[first:] < noise + CLEAR_LEVEL * (speech - noise)
        for start, length in _runs(quiet):
            spoken = start - int(quiet[:start].sum())
            if length >= CLEAR_HOPS and spoken >= PAUSE_HOPS and start + length < len(quiet):
                cut = start + length - min(LEAD_HOPS, length // 2)
                return self._start + (first + cut) * HOP
        return None

    def _levels(self, last: int) -> NDArray[np.float64]:
        """Levels in decibels of the first hops that are kept."""
        levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(self._power[:last], _FLOOR))
        return levels

    def _last_sound(self, position: int) -> int:
        """Find the end of what is not silent before `position`."""
        here = np.flatnonzero(np.abs(self._samples[: position - self._start]) >= SILENT)
        return self._start + int(here[-1]) + 1 if len(here) else position

    def quietest(self, begin: int, end: int) -> int:
        """Find the best position to cut between two positions: the middle of the longest pause.

        Without a pause, it is the quietest moment.
        """
        first = (begin - self._start) // HOP
        last = (end - self._start) // HOP
        levels = self._levels(last)
        if len(levels) <= first:  # less than a hop between the two
            return end
        noise, speech = np.percentile(levels, [10, 90])
        pauses = _runs(levels[first:] < noise + PAUSE_LEVEL * (speech - noise))
        # The later of equally good ones: fewer windows.
        rank, middle = max(
            ((min(length, GOOD_PAUSE_HOPS), start + length // 2) for start, length in pauses),
            default=(0, 0),
        )
        if rank < PAUSE_HOPS:
            smooth = np.convolve(levels[first:], np.ones(PAUSE_HOPS) / PAUSE_HOPS, mode="same")
            middle = int(smooth.argmin())
        return self._start + (first + middle) * HOP


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Starts and lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
