"""Samples that grow at the end while a recording is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parrotlet.samples import Samples

_MOST_EXPECTED = 1 << 26
"""A header may claim any length; these are 70 minutes."""

_NONE: Samples = np.empty(0, dtype=np.float32)


class GrowingSamples:
    """Samples [n], of which the last were appended and the first may be dropped.

    Where more are added to some, there is room for as many again: a long recording is copied a few
    times only. What was not written to of that room takes no memory. (An array's `resize` writes
    zeros to it.)
    """

    def __init__(self, expected: int = 0) -> None:
        """Hold none. So many as are `expected` are not moved on their way."""
        self._expected = min(expected, _MOST_EXPECTED)
        self._room = _NONE
        self._begin = self._end = 0

    def __len__(self) -> int:
        """Count the samples that are held."""
        return self._end - self._begin

    @property
    def samples(self) -> Samples:
        """All that are held: a view, which nothing may write to."""
        return self._room[self._begin : self._end]

    def append(self, blocks: Sequence[Samples]) -> None:
        """Append blocks, each [n]. One alone, if it is all, is held as it is, without a copy."""
        if len(blocks) == 1 and not len(self) and len(blocks[0]) >= self._expected:
            self._room = blocks[0]
            self._begin, self._end = 0, len(self._room)
            return
        added = sum(map(len, blocks))
        if self._end + added > len(self._room):
            self._move(len(self) + added)
        np.concatenate(blocks, out=self._room[self._end : self._end + added])
        self._end += added

    def drop(self, count: int) -> None:
        """Drop the first ones, or all if there are not so many."""
        self._begin = min(self._begin + count, self._end)

    def take(self) -> Samples:
        """Give away all that are held, without a copy, and hold none."""
        samples = self.samples
        self._room, self._begin, self._end = _NONE, 0, 0
        return samples

    def _move(self, size: int) -> None:
        """Move what is held to where `size` samples have room."""
        held = len(self)
        room = np.empty(max(2 * size if held else size, self._expected), dtype=np.float32)
        self._expected = 0
        room[:held] = self.samples
        self._room, self._begin, self._end = room, 0, held
