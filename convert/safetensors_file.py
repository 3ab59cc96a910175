"""Tensors of a safetensors file by name, each read from the file when asked for.

The format: eight bytes with the length of a JSON header, the header (for each tensor its type,
shape and byte range), and the values one after the other. Nothing that a header says is believed
before it is checked. Source: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError, UnsupportedModelError
from ..signatures import HEAD_BYTES
from .archive import Window, check_fetched
from .checkpoint import read_values
from .named_tensors import NamedTensors

MAX_HEADER = 32 << 20  # 1500 tensors take 0.2 MB
MAX_DIMENSIONS = 8  # more than any tensor of a model has

# Types of the format by their bytes; NumPy's name of those that are converted.
_SIZES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 8),
}
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "I64": "<i8"}


@dataclass(frozen=True)
class Stored:
    """A tensor: its type by the format's name, shape, and first byte after the header."""

    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


class SafetensorsFile(NamedTensors[Stored]):
    """The tensors of one file: name -> Stored. `read` gives the values."""

    def __init__(self, window: Window) -> None:
        """Read and check the header; CheckpointError if the file is damaged or another kind."""
        self._window = window
        self._start, self._entries = _header(window)

    def read(self, name: str) -> NDArray[np.float32]:
        """The values of a tensor as a new float32 array of its shape."""
        entry = self._entries[name]
        dtype = _DTYPES.get(entry.dtype)
        if dtype is None:
            raise UnsupportedModelError(
                f"tensor {name!r} is stored as {entry.dtype}; supported are {', '.join(_DTYPES)}"
            )
        values = read_values(self._window, self._start + entry.offset, entry.elements, dtype)
        return values.astype(np.float32, copy=False).reshape(entry.shape)


def _header(window: Window) -> tuple[int, dict[str, Stored]]:
    """(where the values begin, entries by name)."""
    check_fetched(window.read(0, min(HEAD_BYTES, window.size)), window.name)
    if window.size < 8:
        raise CheckpointError(f"{window.name} is no safetensors file: it has {window.size} bytes")
    length = int.from_bytes(window.read(0, 8), "little")
    if length > min(MAX_HEADER, window.size - 8):
        raise CheckpointError(
            f"{window.name} is no safetensors file, or cut short: it states a header of {length} "
            f"bytes and has {window.size}"
        )
    header = _parsed(window.read(8, length), window.name)
    start = 8 + length
    entries = {
        name: _entry(name, value, window.name)
        for name, value in header.items()
        if name != "__metadata__"
    }
    _check_places(entries, window.size - start, window.name)
    return start, entries


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    try:
        header = json.loads(data, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError as well
        raise CheckpointError(f"{name}: the safetensors header is damaged ({error})") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{name}: the safetensors header is not a JSON object")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands in it twice")
    return values


def _entry(name: str, value: Any, file: str) -> Stored:
    wrong = CheckpointError(f"{file}: the header's entry of tensor {name!r:.80} makes no sense")
    if not isinstance(value, dict):
        raise wrong
    dtype, shape, offsets = (value.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or not _are_sizes(shape) or not _are_sizes(offsets):
        raise wrong
    if dtype not in _SIZES:
        raise UnsupportedModelError(
            f"{file}: tensor {name!r:.80} has the unknown type {dtype!r:.20}"
        )
    if len(shape) > MAX_DIMENSIONS or len(offsets) != 2:
        raise wrong
    entry = Stored(dtype, tuple(shape), offsets[0])
    if offsets[1] - offsets[0] != entry.elements * _SIZES[dtype]:
        raise CheckpointError(
            f"{file}: tensor {name!r:.80} has shape {shape} of {dtype}, which are not "
            f"{offsets[1] - offsets[0]} bytes"
        )
    return entry


def _are_sizes(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 2**63 for n in values)


def _check_places(entries: Mapping[str, Stored], size: int, file: str) -> None:
    """The values lie one after the other, and fill the rest of the file."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].offset, item[1].elements)):
        if entry.offset != end:
            raise CheckpointError(
                f"{file}: the values of tensor {name!r:.80} begin at {entry.offset}, not {end}"
            )
        end += entry.elements * _SIZES[entry.dtype]
    if end > size:
        raise CheckpointError(
            f"{file} is cut short: it has {size} of {end} bytes of values; fetch it again"
        )
    if end < size:
        raise CheckpointError(f"{file} has {size - end} bytes after its last tensor")
