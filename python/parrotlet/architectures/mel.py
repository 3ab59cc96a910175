"""The frontend's tables for checkpoints that do not store them: mel filterbank and window.

As NeMo's `FilterbankFeatures` makes them with its default settings: triangles on Slaney's mel
scale, each of unit area (`librosa.filters.mel`), and a symmetric Hann window
(`torch.hann_window`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Slaney's scale (Auditory Toolbox, 1998): linear to 1 kHz, then 27 steps for a factor of 6.4.
_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def hann_window(length: int) -> NDArray[np.float32]:
    """[length], zero at both ends."""
    return np.hanning(length).astype(np.float32)


def mel_filterbank(sample_rate: int, n_fft: int, bands: int) -> NDArray[np.float32]:
    """[bands, n_fft / 2 + 1] weights of the power spectrum's bins, from 0 Hz to half the rate."""
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    edges = _hz(np.linspace(0.0, _mel(sample_rate / 2), bands + 2))[:, None]
    below, centre, above = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - below) / (centre - below)
    falling = (above - bins) / (above - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (above - below))).astype(np.float32)


def _mel(hz: float) -> float:
    if hz < _LOG_FROM_HZ:
        return hz / _HZ_PER_MEL
    return float((_LOG_FROM_HZ / _HZ_PER_MEL) + np.log(hz / _LOG_FROM_HZ) / _LOG_STEP)


def _hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    log_from = _LOG_FROM_HZ / _HZ_PER_MEL
    logarithmic = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mels - log_from))
    return np.where(mels < log_from, mels * _HZ_PER_MEL, logarithmic)
