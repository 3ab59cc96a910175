"""The tensors of a model of Legendre Memory Units, as `mapping.py` has them for Conformers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from .lmu_config import LmuConfig
from .mapping import Array, Tensor, linear, norm, plain, reshaped
from .mel import hann_window, mel_filterbank
from .state_space import state_space

# Buffers of LMUFFT for the sequence length of its training: the impulse response and its transform.
IGNORED = re.compile(r"encoder\.lmu_layers\.\d+\.(H|fft_H)|.*\.num_batches_tracked")


def lmu(config: LmuConfig) -> list[Tensor]:
    """Every tensor of an LMU model, the tables that its checkpoint lacks included."""
    features, d = config.features, config.hidden
    tensors = [
        Tensor(
            "preprocessor.featurizer.fb",
            (features.mel_bands, features.n_fft // 2 + 1),
            (),
            lambda: mel_filterbank(features.sample_rate, features.n_fft, features.mel_bands),
        ),
        Tensor(
            "preprocessor.featurizer.window",
            (features.window_length,),
            (),
            lambda: hann_window(features.window_length),
        ),
        *_linear(config, "encoder.input_projection", d, features.mel_bands),
    ]
    matrices = _state_space(config)
    for index in range(config.layers):
        if config.heads:
            tensors += _attention(config, f"encoder.attention_layers.{index}.attention.")
        layer = _cell if config.layer == "cell" else _fft
        tensors += layer(config, f"encoder.lmu_layers.{index}.", matrices)
        tensors += norm(f"encoder.layer_norms.{index}.", d)
    tensors += _linear(config, "encoder.output_projection", d, d)
    tensors += _linear(config, "decoder.ctc_projection", len(config.tokenizer.tokens) + 1, d)
    return tensors


def _linear(config: LmuConfig, name: str, rows: int, columns: int) -> Iterator[Tensor]:
    bias = name.rpartition(".")[2] in config.biases
    return linear(f"{name}.", rows, columns, bias=bias)


def _attention(config: LmuConfig, name: str) -> Iterator[Tensor]:
    d = config.hidden
    for projection in ("q", "k", "v", "o"):
        yield from linear(f"{name}w_{projection}.", d, d, bias="attention" in config.biases)
    yield from norm(f"{name}layer_norm.", d)


Matrices = Callable[[], tuple[Array, Array]]


def _state_space(config: LmuConfig) -> Matrices:
    """A and B in single precision, computed once when they are first asked for: by then the shapes
    that the configuration states have been compared with the checkpoint."""

    @lru_cache(maxsize=1)
    def matrices() -> tuple[Array, Array]:
        assert config.theta is not None
        a, b = state_space(config.memory, config.theta)
        return a.astype(np.float32), b.astype(np.float32)

    return matrices


def _memory(config: LmuConfig, name: str, matrices: Matrices) -> Iterator[Tensor]:
    n = config.memory
    if config.stored:
        yield reshaped(f"{name}A", (n, n), (n, n))
        yield reshaped(f"{name}B", (n, 1), (n, 1))
    else:
        yield Tensor(f"{name}A", (n, n), (), lambda: matrices()[0])
        yield Tensor(f"{name}B", (n, 1), (), lambda: matrices()[1])


def _cell(config: LmuConfig, layer: str, matrices: Matrices) -> Iterator[Tensor]:
    """LMUCell, its encoding vectors before its kernels."""
    name, d = f"{layer}cell.", config.hidden
    yield from _memory(config, name, matrices)
    inputs = {"x": d, "h": d, "m": config.memory}
    for source, size in inputs.items():
        yield plain(f"{name}e_{source}", 1, size)
    for source, size in inputs.items():
        yield plain(f"{name}W_{source}", d, size)


def _fft(config: LmuConfig, name: str, matrices: Matrices) -> Iterator[Tensor]:
    """LMUFFT: W_h takes the memory, then the input."""
    d = config.hidden
    yield from _memory(config, name, matrices)
    yield from _linear(config, f"{name}W_u", 1, d)
    yield from _linear(config, f"{name}W_h", d, config.memory + d)
