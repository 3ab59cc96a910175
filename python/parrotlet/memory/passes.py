"""How a recording is divided among passes through a model, as `parrotlet.longform` has it where
memory is plenty."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parrotlet.longform.limits import ONE_PASS_SECONDS, WINDOW_SECONDS


@dataclass(frozen=True)
class Passes:
    """`at_once` passes of `seconds` of sound each, and the seconds of sound held beside theirs."""

    at_once: int
    seconds: float
    beside: float


def passes(seconds: float, threads: int) -> Passes:
    """The passes over a recording: one, or windows, of which each thread takes one."""
    if seconds <= ONE_PASS_SECONDS:
        return Passes(1, seconds, beside=seconds)  # the recording, of which a pass has a copy
    at_once = min(threads, math.ceil(seconds / WINDOW_SECONDS))
    # What was read before the first window is copied when more is; and a window waits.
    return Passes(at_once, WINDOW_SECONDS, beside=2 * ONE_PASS_SECONDS + WINDOW_SECONDS)
