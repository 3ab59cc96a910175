"""Cutting a recording of any length into windows, while it is read.

Only what the next window needs is in memory. A recording falls into sections. Each is recognised as
if it were alone. Sections end

- at digital silence: samples that are all zero or another constant, as where recordings were joined
  or a microphone was muted. It is left out.
- where another recording was joined.
- at clear pauses, found by the level of the signal; but what stands between two digital silences
  and fits a window is one section.
- where a section would be longer than a window: in the longest fair pause of the window's last
  part.

A long section without a fair pause is cut in the best place that there is. Its windows overlap
there, so that one of them has every word whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet import _core, levels
from parrotlet.growing import GrowingSamples
from parrotlet.levels import HOP
from parrotlet.longform import pauses
from parrotlet.longform.limits import Limits
from parrotlet.samples import Samples

SILENT_HOPS = 24
"""Hops of digital silence that end a section: a quarter second has so many whole ones at least."""

MIN_SAMPLES = 1600
"""Windows are filled up to so many samples with silence."""

_LOOK = 100 * HOP
"""Samples that are looked at together for one that is not silent."""

JOINED_SAMPLES = 1 << 20
"""Samples that are read in blocks before these are joined: what small blocks leave behind in the
heap is of no use to larger ones."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a recording that is recognised at once.

    Positions are in samples from the start of the recording; `end` is after the last sample. The
    window belongs to the section that begins at `section_start`. From `cut` on, words of this
    window are preferred to those of the window before; in the first window of a section, `cut` is
    `start`. `whole` says that the window is the recording as it is.
    """

    start: int
    end: int
    section_start: int
    cut: int
    whole: bool = False

    @property
    def first_of_section(self) -> bool:
        """Whether nothing of the section comes before."""
        return self.start == self.section_start


class Cutter:
    """Cuts the samples that `blocks` give; `length` is their number once all have been read."""

    def __init__(
        self,
        blocks: Iterable[Samples],
        limits: Limits,
        joins: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        """Start to read when the windows are asked for.

        `joins` gives the positions, among the samples read so far, where another recording begins.
        """
        self._signal = _Signal(blocks, joins)
        self._limits = limits

    @property
    def length(self) -> int:
        """Samples read so far."""
        return self._signal.end

    def windows(self) -> Iterator[tuple[Window, Samples]]:
        """Give the windows and their samples; the whole recording as it is, if it fits one pass."""
        if not self._signal.read_until(self._limits.one_pass + 1) and not self._signal.joins:
            yield Window(0, self._signal.end, 0, 0, whole=True), self._signal.take()
            return
        end, start = -1, self._signal.next_sound(0)
        while start is not None:
            # What stands alone between digital silences or joins is left as it is, if it fits.
            alone = start != end or end in self._signal.joins
            for window, samples in self._section(start, alone):
                yield window, samples
                end = window.end
            start = self._signal.next_sound(end)

    def _section(self, start: int, alone: bool) -> Iterator[tuple[Window, Samples]]:
        """Give the windows from `start` up to the end of the section."""
        limits, signal = self._limits, self._signal
        begin = cut = start
        while True:
            limit = begin + limits.window
            signal.forget(begin)
            signal.read_until(limit + (SILENT_HOPS + 2) * HOP)
            half = cut + (limit - limits.overlap - cut) // 2
            end = signal.end_of_sound(cut, limit)
            if end is None or not alone:
                pause = signal.end_of_speech(cut, limit if end is None else end, end is None)
                end = end if pause is None else pause
            if end is None:
                end = signal.fair_pause(half, limit)
            if end is not None:
                # From one silence to another there is a step only; what follows is after it.
                yield self._window(begin, max(end, start + 1), start, cut)
                return
            alone = False
            next_cut = signal.quietest(half, limit - limits.overlap)
            yield self._window(begin, min(next_cut + limits.overlap, limit), start, cut)
            # Frames of the next window fall where those of this one do, if windows are longer.
            following = next_cut - limits.overlap
            aligned = start + (following - start) // limits.grid * limits.grid
            begin, cut = max(begin, aligned if aligned > begin else following), next_cut

    def _window(self, begin: int, end: int, section_start: int, cut: int) -> tuple[Window, Samples]:
        samples = self._signal.part(begin, end)
        if len(samples) < MIN_SAMPLES:
            missing = MIN_SAMPLES - len(samples)
            samples = np.pad(samples, (0, missing), constant_values=self._signal.rest)
        return Window(begin, end, section_start, cut), samples


class _Signal:
    """The samples of a signal that are read and still needed, and their level per hop."""

    def __init__(self, blocks: Iterable[Samples], joins: Callable[[], Sequence[int]]) -> None:
        self._blocks = iter(blocks)
        self._joins = joins
        self._kept = GrowingSamples()
        self._start = 0  # position of the first sample kept, a multiple of HOP
        self._exhausted = False
        self.rest = 0.0  # value of the last digital silence: not zero with a DC offset
        self._power = np.empty(0, dtype=np.float64)  # of each whole hop that is kept; see `levels`
        self._silent = np.empty(0, dtype=np.bool_)  # whether it is digital silence

    @property
    def joins(self) -> Sequence[int]:
        return self._joins()

    @property
    def end(self) -> int:
        return self._start + len(self._kept)

    def part(self, begin: int, end: int) -> Samples:
        """Copy what lies between two positions."""
        return self._kept.samples[begin - self._start : end - self._start].copy()

    def take(self) -> Samples:
        """Give away all that is kept, without a copy, and keep nothing."""
        self._start = self.end
        return self._kept.take()

    def forget(self, position: int) -> None:
        """Drop what lies before `position`."""
        hops = max(0, position - self._start) // HOP
        self._kept.drop(hops * HOP)
        self._power, self._silent = self._power[hops:], self._silent[hops:]
        self._start += hops * HOP

    def read_until(self, position: int) -> bool:
        """Read up to `position`; return whether the recording is as long as that."""
        while self.end < position and not self._exhausted:
            new = self._blocks_until(min(position, self.end + JOINED_SAMPLES))
            if new:
                self._kept.append(new)
                self._measure()
        return self.end >= position

    def _blocks_until(self, position: int) -> list[Samples]:
        """Read the blocks up to `position`, as far as there are any."""
        new: list[Samples] = []
        size = self.end
        while size < position:
            block = next(self._blocks, None)
            if block is None:
                self._exhausted = True
                break
            new.append(block)
            size += len(block)
        return new

    def _measure(self) -> None:
        known = len(self._power)
        whole = len(self._kept) // HOP
        hops = self._kept.samples[known * HOP : whole * HOP].reshape(-1, HOP)
        if not self._start and not known and whole and _core.is_silent(hops[0]):
            self.rest = float(hops[0, 0])
        power, silent = levels.measure(hops)
        self._power = np.concatenate([self._power, power])
        self._silent = np.concatenate([self._silent, silent])

    def next_sound(self, position: int) -> int | None:
        """Find the first sample from `position` on that is not silent; None if all are."""
        while True:
            self.forget(position)
            finished = self._exhausted
            # What is no whole hop yet may turn out to be silent.
            known = self.end if finished else self._position(len(self._silent))
            for begin in range(position, known, _LOOK):
                here = self._sounds(begin, min(begin + _LOOK, known))
                if len(here):
                    return begin + int(here[0])
            if finished:
                return None
            position = max(position, known)
            self.read_until(self.end + 1)

    def end_of_sound(self, begin: int, limit: int) -> int | None:
        """Find where sound from `begin` on ends: at digital silence, or where a recording ends.

        The silence is left out. None if there is no such place before `limit`.
        """
        joined = next((join for join in self.joins if begin < join < limit), None)
        silent = self._end_at_silence(begin, limit if joined is None else joined)
        return joined if silent is None else silent

    def _end_at_silence(self, begin: int, limit: int) -> int | None:
        first = self._hop(begin)
        for start, length in pauses.runs(self._silent[first:]):
            if length >= SILENT_HOPS:
                found = self._position(first + start)
                if found >= limit:
                    return None
                self.rest = float(self._kept.samples[found - self._start])
                return self._last_sound(found)
        if not self._exhausted or self.end > limit:
            return None
        return self._last_sound(self.end)

    def end_of_speech(self, begin: int, limit: int, goes_on: bool) -> int | None:
        """Find where speech from `begin` on ends in a clear pause; see `pauses`."""
        found = pauses.end_of_speech(self._levels(limit), self._hop(begin), goes_on)
        return None if found is None else self._position(found)

    def fair_pause(self, begin: int, limit: int) -> int | None:
        """Find where, between two positions, a section may end; see `pauses`."""
        found = pauses.fair_pause(self._levels(limit), self._hop(begin))
        return None if found is None else self._position(found)

    def quietest(self, begin: int, end: int) -> int:
        """Find the best position to cut between two positions; see `pauses`."""
        known, first = self._levels(end), self._hop(begin)
        if len(known) <= first:  # less than a hop between the two
            return end
        return self._position(pauses.quietest(known, first))

    def _hop(self, position: int) -> int:
        return (position - self._start) // HOP

    def _position(self, hop: int) -> int:
        return self._start + hop * HOP

    def _levels(self, end: int) -> pauses.Levels:
        """Levels of what is kept up to `end`."""
        return levels.decibels(self._power[: self._hop(end)])

    def _last_sound(self, position: int) -> int:
        """Find the end of what is not silent before `position`."""
        for end in range(position, self._start, -_LOOK):
            begin = max(self._start, end - _LOOK)
            here = self._sounds(begin, end)
            if len(here):
                return begin + int(here[-1]) + 1
        return position

    def _sounds(self, begin: int, end: int) -> NDArray[np.intp]:
        """Samples between two positions that are not silent, counted from the first."""
        first = begin - self._start
        found = levels.departures(self._kept.samples[first : end - self._start], self.rest)
        if not len(self._silent):
            return found
        # Rumble has no value to rest at: its silence is known by the hop; what is less than one, at
        # the end of the recording, is like the last.
        return found[~self._silent[np.minimum((first + found) // HOP, len(self._silent) - 1)]]
