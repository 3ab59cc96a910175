"""From a checkpoint to a GGUF file: a `.nemo` archive, a directory of `transformers`, or a PyTorch
file of an LMU model.
"""

from __future__ import annotations

import os
from pathlib import Path

from .. import _core
from ..errors import CheckpointError, UnsupportedModelError
from .archive import CONFIG, NemoArchive, Window, open_archive, open_file
from .checkpoint import TorchCheckpoint
from .config import ModelConfig
from .lmu_checkpoint import read_lmu
from .mapping import check, conformer
from .metadata import ARCHITECTURE, LMU, conformer_metadata, lmu_metadata
from .nemo_config import model_config
from .storage import plan
from .tokenizer import Tokenizer, read_tokenizer
from .torch_zip import is_torch_file
from .transformers_model import TransformersState, is_model_directory, open_model
from .writer import Progress, check_output, write
from .yaml_config import parse_yaml


def check_type(type: str) -> None:
    """Raise ValueError for a type that there is not."""
    if type not in _core.types():
        raise ValueError(f"type is {type!r}; expected one of {', '.join(_core.types())}")


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: Progress | None = None,
    name: str | None = None,
) -> Path:
    """Convert an ASR checkpoint to a GGUF file and return the path of that file.

    `checkpoint` is a NeMo archive (`.nemo`), a directory as `transformers` saves a Parakeet model,
    or what PyTorch saved of an LMU model: a dict with `model_state_dict` and `config`, or a state
    dict with its configuration as YAML beside it. `type` is what matrices are stored as, one of
    `_core.types()`; vectors, the filterbank and small convolutions stay f32, and `storage.py` says
    which matrices are stored wider.
    `progress(bytes done, bytes in all, tensor name)` is called before each tensor and once at the
    end. `name` is what the model is called, by default as its file or directory. Tensors are read
    and written one at a time.

    Raises CheckpointError if the checkpoint is missing, damaged or inconsistent,
    UnsupportedModelError if the model is of a kind that parrotlet does not run, ModelFileError if
    the output cannot be written, and ValueError for an unknown type. `out` is replaced only by a
    complete file.
    """
    check_type(type)
    source, target = Path(os.fspath(checkpoint)), Path(os.fspath(out))
    check_output(source, target, "checkpoint")
    try:
        if is_model_directory(source):
            with open_model(source) as model:
                name = name or source.resolve().name
                _write(target, name, model.config, model.tokenizer, model.state, type, progress)
            return target
        if source.suffix in (".json", ".safetensors") and is_model_directory(source.parent):
            raise CheckpointError(
                f"is a part of what transformers saved; give the directory {source.parent}"
            )
        with open_file(source) as file:
            size = file.seek(0, os.SEEK_END)
            window = Window(file, 0, size, source.name)
            if is_torch_file(window):
                _convert_lmu(window, source, target, type, progress)
                return target
        with open_archive(source, scratch=target.parent) as archive:
            _convert_nemo(archive, target, name or source.stem, type, progress)
    except (CheckpointError, UnsupportedModelError) as error:
        raise error.__class__(f"{source}: {error}") from error.__cause__
    return target


def _convert_nemo(
    archive: NemoArchive, target: Path, name: str, type: str, progress: Progress | None
) -> None:
    values = parse_yaml(archive.config, CONFIG)
    config = model_config(values)
    tokenizer = read_tokenizer(archive, values, config)
    _write(target, name, config, tokenizer, TorchCheckpoint(archive.weights), type, progress)


def _write(
    target: Path,
    name: str,
    config: ModelConfig,
    tokenizer: Tokenizer,
    state: TorchCheckpoint | TransformersState,
    type: str,
    progress: Progress | None,
) -> None:
    tensors = conformer(config, len(tokenizer.tokens))
    check(tensors, state)
    entries = conformer_metadata(config, tokenizer, name, type)
    write(target, ARCHITECTURE, entries, plan(tensors, type), state.read, progress)


def _convert_lmu(
    window: Window, source: Path, target: Path, type: str, progress: Progress | None
) -> None:
    model = read_lmu(window, source)
    entries = lmu_metadata(model.config, source.stem, type)
    write(target, LMU, entries, plan(model.tensors, type), model.state.read, progress)
