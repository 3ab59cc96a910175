"""From a GGUF file in f32 or f16 to one in another type."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .. import _core
from ..architectures import storage_of
from ..architectures.metadata import Entry
from ..architectures.storage import choose_types
from ..architectures.tensors import Tensor
from ..errors import CheckpointError, ModelFileError
from ..progress import FileProgress
from .foreign import project_of
from .metadata import copied_metadata
from .writer import check_output, write

SOURCES = ("f32", "f16")


def quantize(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    keep: Mapping[str, str] | None = None,
    progress: FileProgress | None = None,
) -> Path:
    """Write a GGUF file in f32 or f16 anew with its matrices in `type`; return the path.

    See `choose_types` for the types and `keep` (shell-style pattern of names -> type). Metadata is
    copied, but for `general.file_type`. `progress(bytes done, bytes in all, tensor name)` is called
    before each tensor and once at the end. Tensors are read and written one at a time; the source
    is not mapped, so that one which is cut meanwhile is an error.

    Raises ModelFileError if the source is damaged, cut or quantised already or the output
    cannot be written, and ValueError for an unknown type and for a pattern that matches no matrix.
    `out` is replaced only by a complete file.
    """
    source, out = Path(os.fspath(source)), Path(os.fspath(out))
    check_output(source, out, "file to quantise")
    file = _core.GgufFile(str(source))
    _refuse_foreign(file, type)
    _refuse_quantised(file)
    tensors = [Tensor(t.name, t.shape, ((t.name, t.shape),)) for t in file.tensors]
    architecture = _architecture(file)
    chosen = choose_types(tensors, storage_of(architecture), type, keep)
    try:
        write(out, architecture, _metadata(file, type), chosen, file.tensor, progress)
    except CheckpointError as error:  # values that cannot be stored
        raise ModelFileError(f"{source}: {error}") from error
    return out


def _refuse_foreign(file: _core.GgufFile, type: str) -> None:
    project = project_of(file.metadata)
    if project is not None:
        raise ModelFileError(
            f"{file.path}: is a file of {project}, which becomes one of ours in the type that is "
            f"asked for: parrotlet convert {Path(file.path).name} --type {type}"
        )


def _refuse_quantised(file: _core.GgufFile) -> None:
    for tensor in file.tensors:
        if tensor.type not in SOURCES:
            raise ModelFileError(
                f"{file.path}: is quantised already (tensor {tensor.name} is {tensor.type}), and "
                "quantising twice loses accuracy; start from a file made by "
                "`parrotlet convert --type f16`"
            )


def _architecture(file: _core.GgufFile) -> str:
    architecture = file.metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise ModelFileError(
            f"{file.path}: has no general.architecture, so it is no model; convert the "
            "checkpoint again"
        )
    return architecture


def _metadata(file: _core.GgufFile, type: str) -> list[Entry]:
    try:
        return copied_metadata(file, type)
    except ValueError as error:
        raise ModelFileError(
            f"{file.path}: its metadata cannot be copied ({error}); convert the checkpoint again"
        ) from error
