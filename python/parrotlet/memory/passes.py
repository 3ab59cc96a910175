"""How a recording is divided among passes through a model, as `parrotlet.longform` has it where
memory is plenty."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parrotlet.audio import BLOCK_SECONDS
from parrotlet.longform.cutting import JOINED_SAMPLES
from parrotlet.longform.limits import ONE_PASS_SECONDS, WINDOW_SECONDS, Windowing

BLOCK_RATE = 16_000
"""Samples a second of what is read, for models of today."""


@dataclass(frozen=True)
class Passes:
    """`at_once` passes of `seconds` of sound each, and the seconds that are held in addition."""

    at_once: int
    seconds: float
    held_seconds: float


def passes(seconds: float, threads: int, attention_window: int | None = None) -> Passes:
    """The passes over a recording: one, or windows, of which each thread takes one."""
    if seconds <= Windowing(attention_window=attention_window).one_pass_seconds:
        # A pass takes over what has been read. The blocks that it was joined of stay in the heap.
        return Passes(1, seconds, held_seconds=min(seconds, JOINED_SAMPLES / BLOCK_RATE))
    at_once = min(threads, math.ceil(seconds / WINDOW_SECONDS))
    # What is read before the first window, up to a block more than a pass, is put together in a
    # copy; windows wait, one more of them than there are threads.
    read = min(seconds, ONE_PASS_SECONDS + BLOCK_SECONDS)
    waiting = min(seconds, (threads + 1) * WINDOW_SECONDS)
    return Passes(at_once, WINDOW_SECONDS, held_seconds=2 * read + waiting)
