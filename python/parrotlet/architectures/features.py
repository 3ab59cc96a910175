"""The frontend that all families share: NeMo's log-mel features."""

from __future__ import annotations

from dataclasses import dataclass

from parrotlet.architectures.metadata import SIZE, Key, between

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 1_000_000
"""Sampling rates in Hz of features that make sense."""


@dataclass(frozen=True)
class Features:
    """AudioToMelSpectrogramPreprocessor. Lengths in samples; `normalize` "per_feature"|"none"."""

    sample_rate: int
    n_fft: int
    window_length: int
    hop_length: int
    mel_bands: int
    preemphasis: float
    log_zero_guard: float
    mag_power: float
    normalize: str

    @property
    def bins(self) -> int:
        """Frequencies of the transform."""
        return self.n_fft // 2 + 1

    @property
    def whole_recording(self) -> bool:
        """Whether features depend on all of a recording, by its mean and deviation."""
        return self.normalize != "none"


KEYS = (
    Key(
        "features.sample_rate",
        "u32",
        "features.sample_rate",
        between(MIN_SAMPLE_RATE, MAX_SAMPLE_RATE, "Hz"),
    ),
    Key("features.n_fft", "u32", "features.n_fft", SIZE),
    Key("features.window_length", "u32", "features.window_length", SIZE),
    Key("features.hop_length", "u32", "features.hop_length", SIZE),
    Key("features.mel_bands", "u32", "features.mel_bands", SIZE),
    Key("features.preemphasis", "f32", "features.preemphasis"),
    Key("features.log_zero_guard", "f32", "features.log_zero_guard"),
    Key("features.mag_power", "f32", "features.mag_power"),
    Key("features.normalize", "str", "features.normalize"),
)
"""Keys of every family's table."""
