"""Writing a GGUF v3 file one tensor at a time, so that memory never holds a model."""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from numpy.typing import NDArray

from .. import _core
from ..errors import CheckpointError, ModelFileError
from .mapping import Tensor
from .metadata import ARCHITECTURE, Entry, add_to

Array = NDArray[np.float32]
Progress = Callable[[int, int, str], None]

# The type to try when a row does not divide into a type's blocks; f32 always fits.
FALLBACK = {"q8_0": "f16", "f16": "f32"}
FLOAT16_MAX = 65504.0  # also the largest scale of a block


@dataclass(frozen=True)
class Planned:
    """A tensor and the type it is stored as."""

    tensor: Tensor
    type: str

    @property
    def bytes(self) -> int:
        """Size of the data in the file, without padding."""
        elements, size = _core.block_layout(self.type)
        return math.prod(self.tensor.shape) // elements * size


def plan(tensors: Sequence[Tensor], type: str) -> list[Planned]:
    """Choose every tensor's type: the requested one, or the next whose blocks divide its rows."""
    return [Planned(t, _fitting(type, t.shape[-1]) if t.quantized else "f32") for t in tensors]


def _fitting(type: str, columns: int) -> str:
    while columns % _core.block_layout(type)[0]:
        type = FALLBACK.get(type, "f16")
    return type


def write(
    path: Path,
    entries: Sequence[Entry],
    planned: Sequence[Planned],
    read: Callable[[str], Array],
    progress: Progress | None = None,
) -> None:
    """Write the file: metadata, then each tensor as `read(source name)` delivers its sources.

    `progress` is called as progress(bytes done, bytes in all, tensor name). Appears at `path`
    whole or not at all. Raises ModelFileError if it cannot be written, CheckpointError for
    values that are not finite or too large for the type.
    """
    with _replacing(path) as temporary:
        writer = GGUFWriter(temporary, ARCHITECTURE)
        try:
            add_to(writer, entries)
            for item in planned:
                writer.add_tensor_info(
                    item.tensor.name,
                    item.tensor.shape,
                    np.dtype(np.float32),
                    item.bytes,
                    raw_dtype=GGMLQuantizationType[item.type.upper()],
                )
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            _write_tensors(writer, planned, read, progress)
        finally:
            writer.close()


def _write_tensors(
    writer: GGUFWriter,
    planned: Sequence[Planned],
    read: Callable[[str], Array],
    progress: Progress | None,
) -> None:
    done, total = 0, sum(item.bytes for item in planned)
    for item in planned:
        if progress is not None:
            progress(done, total, item.tensor.name)
        tensor = item.tensor
        with np.errstate(all="ignore"):  # what is not finite is refused below
            values = tensor.combine(*(read(name) for name, _ in tensor.sources))
        writer.write_tensor_data(_encoded(values.reshape(tensor.shape), item))
        done += item.bytes
    if progress is not None:
        progress(done, total, "")


def _encoded(values: Array, item: Planned) -> NDArray[np.generic]:
    name = item.tensor.name
    low, high = float(values.min()), float(values.max())  # NaN, if there is one, comes out
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CheckpointError(f"tensor {name!r} has values that are not finite")
    if item.type == "f32":
        return values
    if max(-low, high) > FLOAT16_MAX:
        raise CheckpointError(
            f"tensor {name!r} has a value of {max(-low, high):g}, too large for {item.type}; "
            "convert with type f32"
        )
    return _core.quantize(np.ascontiguousarray(values), item.type)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` if all goes well, and vanishes if not."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.parrotlet.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
