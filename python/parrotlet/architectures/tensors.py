"""A family's tensors: name and shape in the file, sources in the checkpoint.

A family lists every tensor from its sizes alone, so a checkpoint is checked against the list before
a value is read. Names are the checkpoint's own; what changes on the way is stated where it happens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parrotlet.architectures.features import Features
from parrotlet.architectures.unused import adapters, listed, unused
from parrotlet.errors import CheckpointError

Array = NDArray[np.float32]
Shape = tuple[int, ...]


def first(*sources: Array) -> Array:
    """The source itself; the writer gives it the shape the file has."""
    return sources[0]


class Shaped(Protocol):
    """What a checkpoint has under the name of a tensor."""

    @property
    def shape(self) -> Shape:
        """In PyTorch's order."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of the file.

    `shape` is in PyTorch's order. `sources` are the checkpoint's tensors with their shapes, in
    the order `combine` takes them; a tensor that is computed has none.
    """

    name: str
    shape: Shape
    sources: tuple[tuple[str, Shape], ...]
    combine: Callable[..., Array] = first


# Building blocks ----------------------------------------------------------------------------


def plain(name: str, *shape: int) -> Tensor:
    """A tensor as it is in the checkpoint."""
    return Tensor(name, shape, ((name, shape),))


def reshaped(name: str, shape: Shape, source: Shape) -> Tensor:
    """The same values in the same order, in another shape than the checkpoint's `source`."""
    return Tensor(name, shape, ((name, source),))


def linear(
    name: str, rows: int, columns: int, *, bias: bool = True, kernel: Shape = ()
) -> Iterator[Tensor]:
    """torch.nn.Linear, or a convolution of kernel size 1, whose trailing ones are dropped."""
    shape = (rows, columns)
    yield reshaped(f"{name}weight", shape, shape + kernel)
    if bias:
        yield plain(f"{name}bias", rows)


def norm(name: str, size: int) -> Iterator[Tensor]:
    """torch.nn.LayerNorm."""
    yield plain(f"{name}weight", size)
    yield plain(f"{name}bias", size)


# NeMo's modules -----------------------------------------------------------------------------

CTC_HEAD = "ctc_decoder"
"""What a model file calls the CTC head."""


def frontend(features: Features) -> Iterator[Tensor]:
    """AudioToMelSpectrogramPreprocessor."""
    fb = (features.mel_bands, features.bins)
    yield reshaped("preprocessor.featurizer.fb", fb, (1, *fb))
    yield plain("preprocessor.featurizer.window", features.window_length)


def ctc_head(module: str, vocab: int, d_model: int) -> Iterator[Tensor]:
    """ConvASRDecoder, which the checkpoint has as `module`: `decoder` in a model with CTC alone,
    and `ctc_decoder` beside a transducer."""
    for tensor in linear("decoder_layers.0.", vocab + 1, d_model, kernel=(1,)):
        sources = tuple((f"{module}.{name}", shape) for name, shape in tensor.sources)
        yield Tensor(f"{CTC_HEAD}.{tensor.name}", tensor.shape, sources, tensor.combine)


# Checking a checkpoint ----------------------------------------------------------------------


def check(
    tensors: Iterable[Tensor],
    state: Mapping[str, Shaped],
    ignored: re.Pattern[str],
    class_known: bool = True,
) -> str:
    """Compare a mapping with a state dict, whose checkpoint may name its class.

    Returns which modules of the state dict are left out, or "" if there are none; what is `ignored`
    is not mentioned. CheckpointError names the tensor that is missing, of another shape, or that
    the architecture does not have although recognition may depend on it.
    """
    sources = {name: shape for tensor in tensors for name, shape in tensor.sources}
    extra = [name for name in state if name not in sources and not ignored.fullmatch(name)]
    adapters(extra)
    for name, shape in sources.items():
        if name not in state:
            raise CheckpointError(f"tensor {name!r} is missing; expected shape {list(shape)}")
        if state[name].shape != shape:
            raise CheckpointError(
                f"tensor {name!r} has shape {list(state[name].shape)}; the configuration "
                f"makes it {list(shape)}"
            )
    return listed(unused(extra, sources, class_known), sources)
