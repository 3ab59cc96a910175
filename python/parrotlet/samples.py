"""Samples in memory: what is accepted as such."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parrotlet.errors import AudioError

Samples = NDArray[np.float32]
"""Samples [n], or several channels of them, or rows of hops: float32, full scale is 1."""

LOUDEST = 16.0
"""Largest sample that is taken for sound at full scale 1. Decoders overshoot by some decibels, and
this is 24; what is beyond are values of another scale."""

INT16_PEAK = 1 << 15
"""Largest value of a 16-bit sample."""

INT16_FAINT = 1 << 10
"""Integers of 32 bits that reach this and never `INT16_PEAK` are 16-bit values, 96 dB too faint."""

_SCALES = ((1 << 15, 16), (1 << 23, 24), (1 << 31, 32))
"""Full scale of integers, and their bits."""


def check_samples(
    samples: object, name: str = "audio", start: int = 0, allow_empty: bool = False
) -> NDArray[np.float32]:
    """Return an array of samples [n] as float32 in [-1, 1].

    `samples` is a one-dimensional array of float32, float64 or float16, or of int16 or int32, which
    are scaled. Messages call it `name`, and the index of its first sample `start`. Raises
    ValueError for another type or shape. Raises AudioError for values that are not finite or of
    another scale, and for no samples unless `allow_empty`.
    """
    array = _array(samples, name)
    if array.ndim != 1:
        hint = "; for several channels pass their mean" if array.ndim == 2 else ""
        raise ValueError(f"{name} has shape {array.shape}; expected one dimension [samples]{hint}")
    if array.dtype in (np.int16, np.int32):
        if array.dtype == np.int32:
            _check_scaled(array, name, start)
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    elif array.dtype not in (np.float16, np.float32, np.float64):
        raise _unknown_type(array, name, start)
    else:
        # float16 and float64 as well: what does not fit float32 becomes infinite there.
        check_finite(array, name, start)
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not len(array) and not allow_empty:
        raise AudioError(f"{name}: the recording is empty (0 samples)")
    return array


def are_sound(samples: NDArray[np.floating[Any]]) -> bool:
    """Whether no sample is NaN, infinite or far outside [-1, 1]."""
    if not len(samples):
        return True
    # Both comparisons are false where one is NaN. A signalling NaN, as random bits may be, makes
    # some releases of NumPy warn of an invalid value when they compare it.
    with np.errstate(invalid="ignore"):
        return bool(samples.max() <= LOUDEST and samples.min() >= -LOUDEST)


def check_finite(samples: NDArray[np.floating[Any]], name: str, start: int = 0) -> None:
    """Raise AudioError if a sample is NaN, infinite or far outside [-1, 1].

    `start` is the index of the first.
    """
    if are_sound(samples):
        return
    finite = np.isfinite(samples)
    if not finite.all():
        index = int(finite.argmin())
        raise AudioError(
            f"{name}: sample {start + index} is {samples[index]}; "
            "every sample must be a finite number"
        )
    index = int(np.abs(samples).argmax())
    raise _out_of_range(name, start + index, float(samples[index]))


def _array(samples: object, name: str) -> NDArray[Any]:
    try:
        return np.asarray(samples)
    except (ValueError, TypeError) as error:  # of lists of several lengths, and of odd objects
        raise ValueError(f"{name} is no array of samples ({error})") from error


def _out_of_range(name: str, index: int, value: float) -> AudioError:
    scale = next(((top, bits) for top, bits in _SCALES if abs(value) <= top), None)
    remedy = "scale them to that"
    if scale is not None:
        remedy = f"divide them by {scale[0]} if they are {scale[1]}-bit values"
    return AudioError(
        f"{name}: sample {index} is {value:.6g}, and samples are expected in [-1, 1]; {remedy}"
    )


def _check_scaled(array: NDArray[np.int32], name: str, start: int) -> None:
    """Raise AudioError for 16-bit values in 32 bits."""
    if not len(array) or not -INT16_PEAK <= array.min() <= array.max() <= INT16_PEAK:
        return
    index = int(np.abs(array).argmax())
    # Of 24-bit samples in 32 bits the last 8 are zero, however faint they are.
    if abs(int(array[index])) >= INT16_FAINT and (array & 0xFF).any():
        raise AudioError(
            f"{name}: sample {start + index} is {array[index]}, the largest, and the full scale of "
            "int32 is 2147483648; pass 16-bit values as int16, or divide them by 32768 to have "
            "them in [-1, 1]"
        )


def _unknown_type(array: NDArray[Any], name: str, start: int) -> Exception:
    expected = "expected float32 in [-1, 1], or int16 or int32"
    if array.dtype.kind in "iu" and len(array) and array.dtype.itemsize > 1:
        index = int(np.abs(array.astype(np.float64)).argmax())
        if abs(int(array[index])) > 1:
            error = _out_of_range(name, start + index, float(array[index]))
            return AudioError(f"{error} (the dtype is {array.dtype}; {expected})")
    hint = ""
    if array.dtype == np.uint8:
        hint = (
            "; for samples of 8 bits pass (samples - 128.0) / 128, and for the bytes of a "
            "sound file io.BytesIO(bytes)"
        )
    elif array.dtype == np.int8:
        hint = "; for samples of 8 bits pass samples / 128.0"
    elif array.dtype.kind == "S":
        hint = "; for the bytes of a sound file pass io.BytesIO(bytes)"
    return ValueError(f"{name} has dtype {array.dtype}; {expected}{hint}")
