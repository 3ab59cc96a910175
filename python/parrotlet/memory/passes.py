"""How a recording is divided among passes through a model, as `parrotlet.longform` has it where
memory is plenty."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parrotlet.longform.limits import ONE_PASS_SECONDS, WINDOW_SECONDS


@dataclass(frozen=True)
class Passes:
    """`at_once` passes of `seconds` of sound each, and the seconds that are read ahead of them."""

    at_once: int
    seconds: float
    read_ahead: float


def passes(seconds: float, threads: int) -> Passes:
    """The passes over a recording: one, or windows, of which each thread takes one."""
    if seconds <= ONE_PASS_SECONDS:
        return Passes(1, seconds, 0.0)
    at_once = min(threads, math.ceil(seconds / WINDOW_SECONDS))
    return Passes(at_once, WINDOW_SECONDS, ONE_PASS_SECONDS)
