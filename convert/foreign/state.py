"""The tensors of a foreign file by NeMo's names, decoded or in the blocks that they have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from numpy.typing import NDArray

from ... import _core
from ...architectures.features import Features
from ...architectures.mel import hann_window, mel_filterbank
from ...architectures.storage import ChosenType
from ...architectures.tensors import Shape, Tensor, first
from ...errors import CheckpointError, ModelFileError
from ..named_tensors import NamedTensors

Array = NDArray[np.float32]

BANK, WINDOW = "preprocessor.featurizer.fb", "preprocessor.featurizer.window"
"""The frontend's tables, which some projects do not store."""

QUANTISED = frozenset(_core.types()) - {"f32", "f16"}
"""Types in blocks that are stored as they are; others are decoded."""

_LSTM_BIAS = re.compile(r"(decoder\.prediction\.dec_rnn\.lstm\.bias_)ih(_l\d+)")
_DEPTHWISE_BIAS = re.compile(r"encoder\.layers\.\d+\.conv\.depthwise_conv\.bias")

MAX_TABLE = 1 << 24  # values of a table that is computed; published ones have 33,000


class Entry(Protocol):
    """A tensor: in the file, or computed."""

    @property
    def shape(self) -> Shape:
        """In PyTorch's order."""

    def read(self) -> Array:
        """The values."""


@dataclass(frozen=True)
class Computed:
    """A tensor that the file does not have."""

    shape: Shape
    compute: Callable[[], Array]

    def read(self) -> Array:
        """The values."""
        return self.compute().reshape(self.shape)


@dataclass(frozen=True)
class Stored:
    """A tensor of the file `path`; `shape` may have ones more or fewer than it has there.

    A `planar` one has all its 8-bit values before all its scales.
    """

    path: str
    info: _core.TensorInfo
    shape: Shape
    planar: bool = False

    @property
    def type(self) -> str:
        """The type of the values."""
        return self.info.type

    @property
    def columns(self) -> int:
        """Values of a row in the file, along which blocks lie."""
        return self.info.shape[-1] if self.info.shape else 1

    def blocks(self) -> NDArray[np.uint8]:
        """The bytes of the tensor, a row each; raises ModelFileError if the file was cut since."""
        try:
            data = np.fromfile(self.path, np.uint8, self.info.n_bytes, offset=self.info.offset)
        except OSError as error:
            raise ModelFileError(f"{self.path}: cannot be read ({error.strerror})") from error
        if data.size != self.info.n_bytes:
            raise ModelFileError(f"{self.path}: has been cut while it was read; fetch it again")
        rows = data.reshape(math.prod(self.info.shape[:-1]), -1)
        return _interleaved(rows, self.columns) if self.planar else rows

    def read(self) -> Array:
        """The values."""
        if self.type in _core.types():
            return _core.dequantize(self.blocks(), self.type, self.columns).reshape(self.shape)
        values: Array = dequantize(self.blocks(), GGMLQuantizationType[self.type.upper()])
        return values.reshape(self.shape)


def _interleaved(data: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """q8_0 blocks of what has all values first: each is a 16-bit scale and its 32 values."""
    rows, blocks = len(data), columns // 32
    flat = data.reshape(-1)
    values = flat[: rows * columns].reshape(rows, blocks, 32)
    scales = flat[rows * columns :].reshape(rows, blocks, 2)
    return np.ascontiguousarray(np.concatenate((scales, values), axis=2).reshape(rows, -1))


class ForeignState(NamedTensors[Entry]):
    """Tensors by NeMo's names."""

    def __init__(self, entries: Mapping[str, Stored]) -> None:
        """`entries` are those of the file."""
        self._entries = dict(entries)

    def read(self, name: str) -> Array:
        """The values of a tensor."""
        return self._entries[name].read()

    def stored(self, tensor: Tensor) -> Stored | None:
        """What a tensor of ours is in the file, with the same values in the same rows; else None.

        Only then can blocks be copied, since they lie along rows.
        """
        if tensor.combine is not first or len(tensor.sources) != 1:
            return None
        entry = self._entries[tensor.sources[0][0]]
        same = isinstance(entry, Stored) and entry.columns == tensor.shape[-1]
        return entry if same and isinstance(entry, Stored) else None

    def blocks(self, item: ChosenType) -> NDArray[np.uint8] | None:
        """The rows of a quantised tensor that is to be stored in the blocks that it has."""
        stored = self.stored(item.tensor)
        if stored is None or stored.type != item.type or item.type not in QUANTISED:
            return None
        return stored.blocks().reshape(math.prod(item.tensor.shape[:-1]), -1)

    # Making it what the architecture lists ------------------------------------------------

    def add_tables(self, features: Features) -> None:
        """Compute the mel filterbank and the window if the file lacks them.

        Raises CheckpointError for settings of which no model's tables are made.
        """
        bands, bins, length = features.mel_bands, features.bins, features.window_length
        if bands * bins > MAX_TABLE or length > MAX_TABLE:
            raise CheckpointError(
                f"its metadata asks for {bands} mel bands of {bins} frequencies and windows of "
                f"{length} samples, which no model has"
            )
        rate, n_fft = features.sample_rate, features.n_fft
        bank = Computed((1, bands, bins), lambda: mel_filterbank(rate, n_fft, bands))
        self._entries.setdefault(BANK, bank)
        self._entries.setdefault(WINDOW, Computed((length,), lambda: hann_window(length)))

    def split_lstm_biases(self) -> None:
        """Where a file has the sum of an LSTM's two biases, the second of them is zero."""
        for name, entry in list(self._entries.items()):
            found = _LSTM_BIAS.fullmatch(name)
            if found is not None:
                zero = Computed(entry.shape, partial(_zeros, entry.shape))
                self._entries.setdefault(f"{found[1]}hh{found[2]}", zero)

    def drop_zero_biases(self) -> None:
        """Leave out biases of depthwise convolutions that are zero in a model without biases.

        Raises CheckpointError if one is not zero.
        """
        if any(name.endswith("self_attn.linear_q.bias") for name in self._entries):
            return
        for name in [name for name in self._entries if _DEPTHWISE_BIAS.fullmatch(name)]:
            if self.read(name).any():
                raise CheckpointError(
                    f"tensor {name!r} is a bias that is not zero, in a model without biases"
                )
            del self._entries[name]

    def expect(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors the shapes that the architecture lists, where only ones are different."""
        for name, shape in (source for tensor in tensors for source in tensor.sources):
            entry = self._entries.get(name)
            if isinstance(entry, Stored) and _squeezed(entry.shape) == _squeezed(shape):
                self._entries[name] = replace(entry, shape=shape)


def _squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def _zeros(shape: Shape) -> Array:
    return np.zeros(shape, np.float32)
