"""From a `.nemo` checkpoint to a GGUF file."""

from __future__ import annotations

import os
from pathlib import Path

from .. import _core
from ..errors import CheckpointError, ModelFileError, UnsupportedModelError
from .archive import CONFIG, NemoArchive, open_archive
from .checkpoint import TorchCheckpoint
from .mapping import check, conformer
from .metadata import conformer_metadata
from .nemo_config import model_config
from .tokenizer import read_tokenizer
from .writer import Progress, plan, write
from .yaml_config import parse_yaml


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: Progress | None = None,
) -> Path:
    """Convert a NeMo ASR checkpoint (`.nemo`) to a GGUF file and return the path of that file.

    `type` is what matrices are stored as, one of `_core.types()`; vectors, the filterbank and
    small convolutions stay f32, and a matrix whose rows do not divide into a type's blocks takes
    the next type that fits. `progress(bytes done, bytes in all, tensor name)` is called before
    each tensor and once at the end. Tensors are read and written one at a time.

    Raises CheckpointError if the checkpoint is missing, damaged or inconsistent,
    UnsupportedModelError if the model is of a kind that parrotlet does not run, ModelFileError if
    the output cannot be written, and ValueError for an unknown type. `out` is replaced only by a
    complete file.
    """
    if type not in _core.types():
        raise ValueError(f"type is {type!r}; expected one of {', '.join(_core.types())}")
    source, target = Path(os.fspath(checkpoint)), Path(os.fspath(out))
    _check_output(source, target)
    try:
        with open_archive(source, scratch=target.parent) as archive:
            _convert(archive, target, source.stem, type, progress)
    except (CheckpointError, UnsupportedModelError) as error:
        raise error.__class__(f"{source}: {error}") from error.__cause__
    return target


def _convert(
    archive: NemoArchive, target: Path, name: str, type: str, progress: Progress | None
) -> None:
    values = parse_yaml(archive.config, CONFIG)
    config = model_config(values)
    tokenizer = read_tokenizer(archive, values, config)
    state = TorchCheckpoint(archive.weights)
    tensors = conformer(config, len(tokenizer.tokens))
    check(tensors, state)
    entries = conformer_metadata(config, tokenizer, name, type)
    write(target, entries, plan(tensors, type), state.read, progress)


def _check_output(source: Path, target: Path) -> None:
    """Find out before the work what would make writing fail after it."""
    if not target.parent.is_dir():
        raise ModelFileError(f"{target}: the directory {target.parent} does not exist; create it")
    if target.is_dir():
        raise ModelFileError(f"{target}: is a directory; give the name of the file to write")
    if target.exists() and not target.is_file():
        raise ModelFileError(f"{target}: is not a regular file and will not be replaced")
    if target.exists() and source.exists() and target.samefile(source):
        raise ModelFileError(f"{target}: is the checkpoint itself; give another name")
    if not os.access(target.parent, os.W_OK):
        raise ModelFileError(f"{target}: the directory {target.parent} is not writable")
