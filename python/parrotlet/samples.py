"""Samples that a caller passes as an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import AudioError


def check_samples(
    samples: object, name: str = "audio", start: int = 0, allow_empty: bool = False
) -> NDArray[np.float32]:
    """Return an array of samples [n] as float32 in [-1, 1].

    Accepts one-dimensional float32, float64 and float16 arrays, and int16 and int32 ones, which
    are scaled. Raises ValueError for another type or shape and AudioError for values that are not
    finite, counting from `start`, or for no samples unless `allow_empty`.
    """
    array = np.asarray(samples)
    if array.ndim != 1:
        hint = "; for several channels pass their mean" if array.ndim == 2 else ""
        raise ValueError(f"{name} has shape {array.shape}; expected one dimension [samples]{hint}")
    if array.dtype in (np.int16, np.int32):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    elif array.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"{name} has dtype {array.dtype}; expected float32 in [-1, 1], or int16 or int32"
        )
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not len(array) and not allow_empty:
        raise AudioError(f"{name}: the recording is empty (0 samples)")
    check_finite(array, name, start)
    return array


def check_finite(samples: NDArray[np.float32], name: str, start: int = 0) -> None:
    """Raise AudioError if a sample is NaN or infinite; `start` is the index of the first."""
    finite = np.isfinite(samples)
    if not finite.all():
        index = int(finite.argmin())
        raise AudioError(
            f"{name}: sample {start + index} is {samples[index]}; "
            "every sample must be a finite number"
        )
