"""Multiply-adds of a model, counted from the shapes in its file.

Counted is what the model's definition asks for: products of weights and of attention, once for
every frame that needs them. Not counted are additions of biases, normalisations and activations,
what padding to blocks or overlapping chunks adds, and the projections of relative positions, which
depend on the length of a recording and not on what is in it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from parrotlet import _core
from parrotlet.architectures.features import Features

STAGES = ("mel", "subsampling", "attention", "feed_forward", "convolution", "decoding")
"""The parts of a pass that are timed, each by itself."""

REST = "rest"
"""The part of a pass that is none of STAGES."""

FLOATS, BYTES = "f32", "q8_0"
"""The types of weights as which products of activations with each other are counted."""

Work = Counter[str]
"""Multiply-adds by the type of the weights."""


@dataclass(slots=True)
class Steps:
    """How often the networks of a transducer ran: the joint, and the predictor after its start."""

    joint: int = 0
    predictor: int = 0


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over a recording: its length, how it is attended to, and how it is decoded.

    `context` is (left, right) in encoder frames, -1 for no limit. `head` is "ctc", "rnnt" or "tdt";
    the latter two take `steps`.
    """

    samples: int
    context: tuple[int, int]
    head: str
    steps: Steps


class Products:
    """The tensors of a file, and the work of multiplying with them."""

    def __init__(self, file: _core.GgufFile) -> None:
        """Of a model file."""
        self._tensors = {tensor.name: tensor for tensor in file.tensors}

    def with_matrix(self, name: str, times: int) -> Work:
        """`times` vectors multiplied with a matrix, or positions of a convolution."""
        tensor = self._tensors[name]
        return Counter({tensor.type: times * math.prod(tensor.shape)})

    def with_matrices(self, pattern: str, times: int) -> Work:
        """The same for every tensor whose name matches."""
        name = re.compile(pattern)
        return total(self.with_matrix(n, times) for n in self._tensors if name.fullmatch(n))

    def mel(self, features: Features, frames: int) -> Work:
        """The Fourier transform, computed as a product of windowed sines and cosines, and the
        filterbank."""
        transform = frames * 2 * features.bins * features.window_length
        bank = self.with_matrix("preprocessor.featurizer.fb", frames)
        return Counter({FLOATS: transform}) + bank

    def of_attention(self, projection: str, in_bytes: bool = True) -> str:
        """The type as which products of queries, keys and values count: where the matrix of the
        queries is quantised they are in bytes, unless that is never so."""
        quantised = self._tensors[projection].type not in ("f32", "f16")
        return BYTES if quantised and in_bytes else FLOATS


def total(parts: Iterable[Work]) -> Work:
    """The sum of several parts."""
    return sum(parts, Counter())
