"""Writing a GGUF v3 file one tensor at a time, so that memory never holds a model."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from numpy.typing import NDArray

from .. import _core
from ..architectures.metadata import Entry
from ..architectures.storage import ChosenType
from ..errors import CheckpointError, ModelFileError
from ..machine import usable_cores
from ..progress import FileProgress
from ..replacing import replaced
from .metadata import add_to

Array = NDArray[np.float32]

FLOAT16_MAX = 65504.0  # also the largest scale of a block
TASK_VALUES = 1 << 18  # what one thread encodes at a time


class _Writer(GGUFWriter):
    """Packs an array of u8 at once, where the package makes an object of each byte."""

    def _pack_val(
        self,
        val: Any,
        vtype: GGUFValueType,
        add_vtype: bool,
        sub_type: GGUFValueType | None = None,
    ) -> bytes:
        if isinstance(val, bytes) and vtype == GGUFValueType.ARRAY:
            head = struct.pack("<IIQ", GGUFValueType.ARRAY, GGUFValueType.UINT8, len(val))
            return head[0 if add_vtype else 4 :] + val
        return super()._pack_val(val, vtype, add_vtype, sub_type)


def check_output(source: Path, target: Path, kind: str) -> None:
    """Find out before the work what would make writing fail after it.

    `kind` is what messages call the source. Raises ModelFileError.
    """
    try:
        os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # too long a name; a zero byte
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(
            f"{target}: cannot be written ({reason}); give another name"
        ) from error
    if not target.parent.is_dir():
        raise ModelFileError(f"{target}: the directory {target.parent} does not exist; create it")
    if target.is_dir():
        raise ModelFileError(f"{target}: is a directory; give the name of the file to write")
    if target.exists() and not target.is_file():
        raise ModelFileError(f"{target}: is not a regular file and will not be replaced")
    if target.exists() and source.exists() and target.samefile(source):
        raise ModelFileError(f"{target}: is the {kind} itself; give another name")
    if not os.access(target.parent, os.W_OK):
        raise ModelFileError(f"{target}: the directory {target.parent} is not writable")


def write(
    path: Path,
    architecture: str,
    entries: Sequence[Entry],
    tensors: Sequence[ChosenType],
    read: Callable[[str], Array],
    progress: FileProgress | None = None,
    in_place: bool = False,
    stored: Callable[[ChosenType], NDArray[np.uint8] | None] | None = None,
) -> None:
    """Write the file: metadata, then each tensor as `read(source name)` delivers its sources.

    `entries` are all keys but `general.architecture`. `stored` has the rows of a tensor that is in
    its type already, which are copied, or None for another one. `progress` is called as
    progress(bytes done, bytes in all, tensor name). Appears at `path` whole or not at all, or,
    `in_place`, is written to what is there, which a file without a directory needs. Raises
    ModelFileError if it cannot be written, CheckpointError for values that are not finite or too
    large for the type.
    """
    with _written_to(path, in_place) as target:
        writer = _Writer(target, architecture)
        try:
            add_to(writer, entries)
            for item in tensors:
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
            _write_tensors(writer, tensors, read, stored, progress)
        finally:
            writer.close()


def _write_tensors(
    writer: GGUFWriter,
    tensors: Sequence[ChosenType],
    read: Callable[[str], Array],
    stored: Callable[[ChosenType], NDArray[np.uint8] | None] | None,
    progress: FileProgress | None,
) -> None:
    done, total = 0, sum(item.bytes for item in tensors)
    with ThreadPoolExecutor(usable_cores()) as pool:
        for item in tensors:
            if progress is not None:
                progress(done, total, item.tensor.name)
            writer.write_tensor_data(_data(item, read, stored(item) if stored else None, pool))
            done += item.bytes
    if progress is not None:
        progress(done, total, "")


def _data(
    item: ChosenType,
    read: Callable[[str], Array],
    rows: NDArray[np.uint8] | None,
    pool: ThreadPoolExecutor,
) -> NDArray[np.generic]:
    """The bytes of a tensor: its `rows` if it is stored as they are, else its values encoded."""
    tensor = item.tensor
    if rows is not None:
        _check_values(_core.dequantize(rows, item.type, tensor.shape[-1]), item)
        return rows
    with np.errstate(all="ignore"):  # what is not finite is refused below
        values = tensor.combine(*(read(name) for name, _ in tensor.sources))
    values = np.ascontiguousarray(values.reshape(tensor.shape))
    _check_values(values, item)
    return _encoded(values, item.type, pool)


def _check_values(values: Array, item: ChosenType) -> None:
    name = item.tensor.name
    low, high = float(values.min()), float(values.max())  # NaN, if there is one, comes out
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CheckpointError(f"tensor {name!r} has values that are not finite")
    if item.type != "f32" and max(-low, high) > FLOAT16_MAX:
        raise CheckpointError(
            f"tensor {name!r} has a value of {max(-low, high):g}, too large for {item.type}; "
            "only type f32 holds it"
        )


def _encoded(values: Array, type: str, pool: ThreadPoolExecutor) -> NDArray[np.generic]:
    if type == "f32":
        return values
    rows = max(1, TASK_VALUES // values.shape[-1])
    parts = (values[start : start + rows] for start in range(0, len(values), rows))
    return np.concatenate(list(pool.map(lambda part: _core.quantize(part, type), parts)))


@contextmanager
def _written_to(path: Path, in_place: bool) -> Iterator[Path]:
    """`path` itself, or a temporary name beside it that replaces it if all goes well."""
    try:
        with nullcontext(path) if in_place else replaced(path) as file:
            yield file
    except OSError as error:
        # NumPy says no more than how much it wrote: less than it should, where a disk is full.
        reason = error.strerror or f"the disk may be full: {error}"
        raise ModelFileError(f"{path}: cannot be written ({reason})") from error
