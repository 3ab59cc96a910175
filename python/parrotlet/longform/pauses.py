"""Finding pauses by the level of a signal, measured per hop of 10 ms (`parrotlet.levels`).

Levels are in decibels of full scale, arrays [hops]; what is found is counted in hops, too. The
level of noise is the 10th percentile of all levels. That of speech is the 90th percentile of the
levels that are not steady, since speech may be a small part of the signal.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CLEAR_HOPS = 100
"""Hops of a clear pause, which ends a section: a second, mostly the end of a sentence."""

FAIR_HOPS = 50
"""Hops of a pause that ends a section which would be longer than a window without that."""

LEAD_HOPS = 25
"""Hops of such a pause that the next section begins with, or half of the pause if that is shorter:
enough for a soft first sound. Recognisers are trained on speech that begins soon."""

CLEAR_LEVEL = 0.3
"""Like `PAUSE_LEVEL`, for pauses that end sections: there no overlap makes up for a faint word."""

CLEAR_RANGE = 15.0
"""Decibels between noise and speech without which a level alone shows no pause that is clear."""

STEADY_HOPS = 30
"""Hops whose level changes by `STEADY_RANGE` at most: no speech is so steady for so long."""

STEADY_RANGE = 6.0
"""Decibels between the loudest of them and the faintest."""

STEADY_BELOW = 6.0
"""Decibels below speech of steady noise that may be a pause, however faint noise is elsewhere: gain
control raises it in pauses, and what is joined has noise of its own."""

PAUSE_LEVEL = 0.35
"""Where between noise and speech a pause begins that windows may overlap in."""

PAUSE_HOPS = 10
"""A pause is as long as this at least; shorter ones are gaps within words."""

GOOD_PAUSE_HOPS = 100
"""Longer pauses are no better to cut in."""

Levels = NDArray[np.float64]
Flags = NDArray[np.bool_]


def end_of_speech(levels: Levels, first: int, goes_on: bool) -> int | None:
    """Find where, from `first` on, a section ends in the first clear pause, or None.

    It ends shortly before speech goes on. `goes_on` says that there is signal after the last hop:
    a pause that lasts until then ends the section as well, early in it.
    """
    quiet = _quiet(levels)[first:]
    for start, length in runs(quiet):
        if length < CLEAR_HOPS:
            continue
        spoken = start - int(quiet[:start].sum()) >= PAUSE_HOPS
        if start + length < len(quiet):
            return first + _before_speech(start, length)
        if goes_on:
            return first + (start + CLEAR_HOPS // 2 if spoken else len(quiet))
    return None


def fair_pause(levels: Levels, first: int) -> int | None:
    """Find where, from `first` on, a section may end in the longest pause that is fair, or None."""
    quiet = _quiet(levels)[first:]
    fair = [
        (length, start)
        for start, length in runs(quiet)
        if length >= FAIR_HOPS and start + length < len(quiet)
    ]
    if not fair:
        return None
    length, start = max(fair)
    return first + _before_speech(start, length)


def quietest(levels: Levels, first: int) -> int:
    """Find the best place for a cut from `first` on: the middle of the longest pause.

    Without a pause, it is the quietest moment.
    """
    noise, speech = _noise_and_speech(levels, _steady(levels))
    pauses = runs(levels[first:] < noise + PAUSE_LEVEL * (speech - noise))
    # The later of equally good ones: fewer windows.
    rank, middle = max(
        ((min(length, GOOD_PAUSE_HOPS), start + length // 2) for start, length in pauses),
        default=(0, 0),
    )
    if rank < PAUSE_HOPS:
        smooth = np.convolve(levels[first:], np.ones(PAUSE_HOPS) / PAUSE_HOPS, mode="same")
        middle = int(smooth.argmin())
    return first + middle


def runs(flags: Flags) -> Iterator[tuple[int, int]]:
    """Give starts and lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        yield int(begin), int(end - begin)


def _quiet(levels: Levels) -> Flags:
    """Hops of pauses that may end a section: faint, or steady."""
    steady = _steady(levels)
    noise, speech = _noise_and_speech(levels, steady)
    quiet = steady & (levels < speech - STEADY_BELOW)
    if speech - noise >= CLEAR_RANGE:
        quiet |= levels < noise + CLEAR_LEVEL * (speech - noise)
    return quiet


def _steady(levels: Levels) -> Flags:
    """Hops that are among `STEADY_HOPS` of about the same level."""
    steady = np.zeros(len(levels), dtype=np.bool_)
    if len(levels) >= STEADY_HOPS:
        around = np.lib.stride_tricks.sliding_window_view(levels, STEADY_HOPS)
        starts = np.flatnonzero(around.max(axis=1) - around.min(axis=1) <= STEADY_RANGE)
        changes = np.zeros(len(levels) + 1, dtype=np.int64)
        changes[starts] += 1
        changes[starts + STEADY_HOPS] -= 1
        steady = np.cumsum(changes[:-1]) > 0
    return steady


def _noise_and_speech(levels: Levels, steady: Flags) -> tuple[float, float]:
    if steady.all():
        return 0.0, 0.0
    return float(np.percentile(levels, 10)), float(np.percentile(levels[~steady], 90))


def _before_speech(start: int, length: int) -> int:
    return start + length - min(LEAD_HOPS, length // 2)
