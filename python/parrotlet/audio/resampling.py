"""Converting from one sampling rate to another, block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Resampler:
    """Converts consecutive blocks of samples [n] from one rate in Hz to another."""

    def __init__(self, rate: int, sample_rate: int) -> None:
        """From `rate` to `sample_rate`; equal rates leave the samples as they are."""
        self._stream = None
        if rate != sample_rate:
            import soxr  # type: ignore[import-untyped]

            self._stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")

    def __call__(self, samples: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        """Convert the next block; `last` gives out what the filter still holds as well."""
        if self._stream is None:
            return samples
        converted: NDArray[np.float32] = self._stream.resample_chunk(samples, last=last)
        return converted
