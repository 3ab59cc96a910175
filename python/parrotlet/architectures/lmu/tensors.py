"""The tensors of a model of Legendre Memory Units."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from parrotlet.architectures.lmu.sizes import CELL, LAYER, Lmu
from parrotlet.architectures.lmu.state_space import state_space
from parrotlet.architectures.mel import hann_window, mel_filterbank
from parrotlet.architectures.storage import StorageRules
from parrotlet.architectures.tensors import Array, Tensor, linear, norm, plain, reshaped

STORAGE = StorageRules(
    blocks=("encoder.lmu_layers.", "encoder.attention_layers."),
    no_matrix=re.compile(r"preprocessor\..*|" + LAYER + r"(cell\.)?([AB]|e_[xhm]|W_u\.weight)"),
)
"""Which tensors are matrices: not the state-space matrices, which every frame passes through again,
and the vectors that make one signal."""

# Buffers of LMUFFT for the sequence length of its training: the impulse response and its transform.
IGNORED = re.compile(r"encoder\.lmu_layers\.\d+\.(H|fft_H)|.*\.num_batches_tracked")


def lmu(sizes: Lmu, stored: bool = True) -> list[Tensor]:
    """Every tensor of an LMU model, the tables that its checkpoint lacks included.

    `stored` says whether the checkpoint has A and B; otherwise `theta` must be known.
    """
    features, d = sizes.features, sizes.d_model
    tensors = [
        Tensor(
            "preprocessor.featurizer.fb",
            (features.mel_bands, features.bins),
            (),
            lambda: mel_filterbank(features.sample_rate, features.n_fft, features.mel_bands),
        ),
        Tensor(
            "preprocessor.featurizer.window",
            (features.window_length,),
            (),
            lambda: hann_window(features.window_length),
        ),
        *_linear(sizes, "encoder.input_projection", d, features.mel_bands),
    ]
    matrices = None if stored else _state_space(sizes)
    for index in range(sizes.layers):
        if sizes.attention:
            tensors += _attention(sizes, f"encoder.attention_layers.{index}.attention.")
        layer = _cell if sizes.layer == CELL else _fft
        tensors += layer(sizes, f"encoder.lmu_layers.{index}.", matrices)
        tensors += norm(f"encoder.layer_norms.{index}.", d)
    tensors += _linear(sizes, "encoder.output_projection", d, d)
    tensors += _linear(sizes, "decoder.ctc_projection", sizes.outputs, d)
    return tensors


def _linear(sizes: Lmu, name: str, rows: int, columns: int) -> Iterator[Tensor]:
    bias = name.rpartition(".")[2] in sizes.biases
    return linear(f"{name}.", rows, columns, bias=bias)


def _attention(sizes: Lmu, name: str) -> Iterator[Tensor]:
    d = sizes.d_model
    for projection in ("q", "k", "v", "o"):
        yield from linear(f"{name}w_{projection}.", d, d, bias="attention" in sizes.biases)
    yield from norm(f"{name}layer_norm.", d)


Matrices = Callable[[], tuple[Array, Array]]


def _state_space(sizes: Lmu) -> Matrices:
    """A and B in single precision, computed once when they are first asked for: by then the shapes
    that the configuration states have been compared with the checkpoint."""

    @lru_cache(maxsize=1)
    def matrices() -> tuple[Array, Array]:
        assert sizes.theta is not None
        a, b = state_space(sizes.memory, sizes.theta)
        return a.astype(np.float32), b.astype(np.float32)

    return matrices


def _memory(sizes: Lmu, name: str, matrices: Matrices | None) -> Iterator[Tensor]:
    n = sizes.memory
    if matrices is None:
        yield reshaped(f"{name}A", (n, n), (n, n))
        yield reshaped(f"{name}B", (n, 1), (n, 1))
    else:
        yield Tensor(f"{name}A", (n, n), (), lambda: matrices()[0])
        yield Tensor(f"{name}B", (n, 1), (), lambda: matrices()[1])


def _cell(sizes: Lmu, layer: str, matrices: Matrices | None) -> Iterator[Tensor]:
    """LMUCell, its encoding vectors before its kernels."""
    name, d = f"{layer}cell.", sizes.d_model
    yield from _memory(sizes, name, matrices)
    inputs = {"x": d, "h": d, "m": sizes.memory}
    for source, size in inputs.items():
        yield plain(f"{name}e_{source}", 1, size)
    for source, size in inputs.items():
        yield plain(f"{name}W_{source}", d, size)


def _fft(sizes: Lmu, name: str, matrices: Matrices | None) -> Iterator[Tensor]:
    """LMUFFT: W_h takes the memory, then the input."""
    d = sizes.d_model
    yield from _memory(sizes, name, matrices)
    yield from _linear(sizes, f"{name}W_u", 1, d)
    yield from _linear(sizes, f"{name}W_h", d, sizes.memory + d)
