"""From a `.nemo` checkpoint to a GGUF file."""

from __future__ import annotations

import os
from pathlib import Path

from .. import _core
from ..errors import CheckpointError, UnsupportedModelError
from .archive import CONFIG, NemoArchive, open_archive
from .checkpoint import TorchCheckpoint
from .mapping import check, conformer
from .metadata import ARCHITECTURE, conformer_metadata
from .nemo_config import model_config
from .storage import plan
from .tokenizer import read_tokenizer
from .writer import Progress, check_output, write
from .yaml_config import parse_yaml


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: Progress | None = None,
) -> Path:
    """Convert a NeMo ASR checkpoint (`.nemo`) to a GGUF file and return the path of that file.

    `type` is what matrices are stored as, one of `_core.types()`; vectors, the filterbank and
    small convolutions stay f32, and `storage.py` says which matrices are stored wider.
    `progress(bytes done, bytes in all, tensor name)` is called before each tensor and once at the
    end. Tensors are read and written one at a time.

    Raises CheckpointError if the checkpoint is missing, damaged or inconsistent,
    UnsupportedModelError if the model is of a kind that parrotlet does not run, ModelFileError if
    the output cannot be written, and ValueError for an unknown type. `out` is replaced only by a
    complete file.
    """
    if type not in _core.types():
        raise ValueError(f"type is {type!r}; expected one of {', '.join(_core.types())}")
    source, target = Path(os.fspath(checkpoint)), Path(os.fspath(out))
    check_output(source, target, "checkpoint")
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
    write(target, ARCHITECTURE, entries, plan(tensors, type), state.read, progress)
