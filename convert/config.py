"""A model's architecture and settings, as typed values that have been checked.

`nemo_config.py` makes them from a NeMo configuration; everything after that reads only these.
"""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True)
class Subsampling:
    """ConvSubsampling. `kind` "dw_striding"|"striding"; `factor` a power of two."""

    kind: str
    factor: int
    channels: int
    causal: bool

    @property
    def stages(self) -> int:
        """Number of stride-2 convolutions."""
        return self.factor.bit_length() - 1

    def bins(self, mel_bands: int) -> int:
        """Frequency bins left of `mel_bands`: each 3-wide stride-2 convolution pads one on either
        side, or two and one when causal."""
        padding = 3 if self.causal else 2
        for _ in range(self.stages):
            mel_bands = (mel_bands + padding - 3) // 2 + 1
        return mel_bands


@dataclass(frozen=True)
class Encoder:
    """ConformerEncoder. Contexts are (left, right) in encoder frames, -1 for no limit, the default
    first; `conv_context` is resolved to (left, right) with left + right + 1 = conv_kernel."""

    layers: int
    d_model: int
    d_ff: int
    heads: int
    use_bias: bool
    xscaling: bool
    attention_style: str
    attention_contexts: tuple[tuple[int, int], ...]
    conv_kernel: int
    conv_context: tuple[int, int]
    conv_norm: str
    subsampling: Subsampling


@dataclass(frozen=True)
class Transducer:
    """RNNTDecoder and RNNTJoint. `durations` is empty for RNNT; `max_symbols` 0 is no limit;
    `output_layer` is the index of the last linear layer in `joint_net`."""

    predictor_hidden: int
    predictor_layers: int
    joint_hidden: int
    activation: str
    output_layer: int
    durations: tuple[int, ...]
    max_symbols: int


@dataclass(frozen=True)
class ModelConfig:
    """A whole model. `ctc_module` is the state dict's name of the CTC head, if there is one;
    `vocab_sizes` are the sizes the configuration states, by key, without the blank."""

    nemo_class: str
    subword: bool
    features: Features
    encoder: Encoder
    transducer: Transducer | None
    ctc_module: str | None
    vocab_sizes: tuple[tuple[str, int], ...]

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads by name, the default one first."""
        transducer = ("tdt" if self.transducer.durations else "rnnt",) if self.transducer else ()
        return transducer + (("ctc",) if self.ctc_module else ())
