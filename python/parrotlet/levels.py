"""How loud samples are, not counting DC offsets, rumble and mains hum, which are no speech.

Levels are measured per hop of `HOP` samples. The high-pass subtracts from each hop its
least-squares polynomial of degree `DEGREE` (local polynomial detrending, with the fit of a
Savitzky-Golay filter, Savitzky and Golay 1964). At 16 kHz it attenuates 8 Hz by 160 dB, 50 Hz by
69, 60 Hz by 59, 100 Hz by 35, 200 Hz by 7, and everything above 300 Hz by less than 1. A hop
depends on its own samples alone, so that there is no state, no delay, and no ringing after a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parrotlet import _core
from parrotlet.samples import Samples

HOP = 160
"""Samples whose level is measured together: 10 ms at 16 kHz."""

DEGREE = 5
"""Of the polynomial: half a period of 60 Hz is close to one of the fifth degree over a hop."""

SILENT = _core.SILENT_RANGE / 2
"""Samples that differ by less from a constant are digital silence: half a step of 24 bits, which
resampling may leave."""

_ROUNDED = 2.0**-32
"""Power that rounding to 16 bits may leave of silence: that of half a step."""

_LEAK = 0.003
"""Part of the power of the last two polynomials that the high-pass leaves of 60 Hz: 0.001."""

_RUMBLE = 2.0**-20
"""Power from which on an offset, rumble or hum is no silence by itself: -60 dB."""

FLOOR = 1e-12
"""Power that is taken for the least there is: -120 dB of full scale."""

_AT_ONCE = 512
"""Hops that are measured at a time: copies in float64 stay small."""


def _polynomials() -> NDArray[np.float64]:
    """Orthonormal polynomials [degree + 1, HOP] over a hop."""
    values = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, HOP), DEGREE)
    return np.ascontiguousarray(np.linalg.qr(values)[0].T)


_POLYNOMIALS = _polynomials()


def measure(hops: Samples) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mean square of each of the hops [n, HOP] behind the high-pass, and whether it is silent.

    Digital silence is constant, or what rounding and the high-pass leave of rumble and hum.
    """
    found = np.empty(len(hops), dtype=np.float64)
    silent = constant(hops)
    for start in range(0, len(hops), _AT_ONCE):
        # In float64 the difference is exact to -150 dB whatever the offset. Summed by einsum, and
        # not by BLAS, a hop's power does not depend on how many are measured with it.
        some = hops[start : start + _AT_ONCE].astype(np.float64)
        removed = np.einsum("ij,kj->ik", some, _POLYNOMIALS)
        slow = np.einsum("ik,ik->i", removed, removed)
        heard = np.einsum("ij,ij->i", some, some) - slow
        last = np.einsum("ik,ik->i", removed[:, -2:], removed[:, -2:])
        place = slice(start, start + len(some))
        found[place] = heard
        silent[place] |= (slow > _RUMBLE * HOP) & (heard < _ROUNDED * HOP + _LEAK * last)
    return np.maximum(found, 0.0) / HOP, silent


def decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels in decibels of full scale for mean squares."""
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, FLOOR))
    return levels


def constant(rows: Samples) -> NDArray[np.bool_]:
    """Whether each row of samples [n, size] is digital silence: zero, or any other constant."""
    flags: NDArray[np.bool_] = rows.max(axis=1) - rows.min(axis=1) < _core.SILENT_RANGE
    return flags


def departures(samples: Samples, rest: float) -> NDArray[np.intp]:
    """Indices of the samples [n] that are not the silence of value `rest`."""
    return np.flatnonzero(np.abs(samples - np.float32(rest)) >= SILENT)
