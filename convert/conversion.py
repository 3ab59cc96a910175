"""From a checkpoint to a GGUF file: a `.nemo` archive, a directory of `transformers`, a PyTorch
file of an LMU model, or a GGUF file of another project.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..architectures import Sizes, family_with, nemo_family
from ..architectures.configured import Configured
from ..architectures.storage import check_type, choose_types
from ..architectures.tensors import Tensor, check
from ..architectures.yaml_file import parse_yaml
from ..errors import CheckpointError, UnsupportedModelError
from ..progress import FileProgress
from .archive import CONFIG, NemoArchive, Window, open_archive, open_file
from .checkpoint import TorchCheckpoint
from .foreign import is_gguf_file, kept_types, main_type, read_foreign
from .metadata import model_metadata
from .tokenizer import Vocabulary, labels_only, read_tokenizer
from .torch_model import read_torch_model
from .torch_zip import is_torch_file
from .transformers_model import TransformersState, is_model_directory, open_model
from .writer import check_output, write


@dataclass(frozen=True)
class _Target:
    """What to write of which checkpoint: where, what the model is called, the type of matrices, and
    who is told."""

    source: Path
    path: Path
    name: str
    type: str
    progress: FileProgress | None


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: FileProgress | None = None,
    name: str | None = None,
) -> Path:
    """Convert an ASR checkpoint to a GGUF file and return the path of that file.

    `checkpoint` is a NeMo archive (`.nemo`), a directory as `transformers` saves a Parakeet model,
    a GGUF file of another project (`foreign/`), or what PyTorch saved of an LMU model: a dict with
    `model_state_dict` and `config`, or a state dict with its configuration as YAML beside it.
    `type` is what matrices are stored as, one of `_core.types()`; vectors, the filterbank and small
    convolutions stay f32, and `storage.py` says which matrices are stored wider. Matrices that are
    quantised in a GGUF file keep their blocks unless `type` is f32 or f16.
    `progress(bytes done, bytes in all, tensor name)` is called before each tensor and once at the
    end. `name` is what the model is called, by default as its file or directory. Tensors are read
    and written one at a time.

    Tensors that recognition does not need, such as heads of other tasks, are left out with a
    UserWarning that names their modules.

    Raises CheckpointError if the checkpoint is missing, damaged or inconsistent,
    UnsupportedModelError if the model is of a kind that parrotlet does not run, ModelFileError if
    the output cannot be written, and ValueError for an unknown type. `out` is replaced only by a
    complete file.
    """
    check_type(type)
    source, path = Path(os.fspath(checkpoint)), Path(os.fspath(out))
    check_output(source, path, "checkpoint")
    with _naming(source):
        if is_model_directory(source):
            target = _Target(source, path, name or source.resolve().name, type, progress)
            with open_model(source) as model:
                sizes = _with_vocabulary(model.config, model.vocabulary)
                _convert_listed(target, sizes, model.vocabulary, model.state)
            return path
        if source.suffix in (".json", ".safetensors") and is_model_directory(source.parent):
            raise CheckpointError(
                f"is a part of what transformers saved; give the directory {source.parent}"
            )
        if is_gguf_file(source):
            _convert_foreign(_Target(source, path, name or source.stem, type, progress))
            return path
        with _torch_file(source) as window:
            if window is not None:
                target = _Target(source, path, source.stem, type, progress)
                _convert_torch_model(window, target)
                return path
        with open_archive(source, scratch=path.parent) as archive:
            sizes, vocabulary = _nemo_model(archive)
            state = TorchCheckpoint(archive.weights)
            target = _Target(source, path, name or source.stem, type, progress)
            _convert_listed(target, sizes, vocabulary, state)
    return path


def describe(checkpoint: Path) -> Sizes:
    """The sizes of the model in a `.nemo` archive, a PyTorch file of an LMU model, or a GGUF file
    of another project.

    Raises CheckpointError and UnsupportedModelError as `convert` does.
    """
    with _naming(checkpoint):
        if is_gguf_file(checkpoint):
            return read_foreign(checkpoint).sizes
        with _torch_file(checkpoint) as window:
            if window is not None:
                sizes: Sizes = read_torch_model(window, checkpoint).model.sizes
                return sizes
        with open_archive(checkpoint, scratch=checkpoint.parent) as archive:
            return _nemo_model(archive)[0]


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """Begin what errors say with the name of the checkpoint."""
    try:
        yield
    except (CheckpointError, UnsupportedModelError) as error:
        raise error.__class__(f"{source}: {error}") from error.__cause__


@contextmanager
def _torch_file(source: Path) -> Iterator[Window | None]:
    """The bytes of a file that PyTorch saved; None for another one."""
    with open_file(source) as file:
        window = Window(file, 0, file.seek(0, os.SEEK_END), source.name)
        yield window if is_torch_file(window) else None


def _nemo_model(archive: NemoArchive) -> tuple[Sizes, Vocabulary]:
    values = parse_yaml(archive.config, CONFIG)
    config = nemo_family(values).from_nemo(values)
    vocabulary = read_tokenizer(archive, values, config)
    return _with_vocabulary(config, vocabulary), vocabulary


def _with_vocabulary(config: Configured[Any], vocabulary: Vocabulary) -> Sizes:
    sizes: Sizes = replace(config.sizes, vocab=len(vocabulary.tokens))
    return sizes


def _convert_listed(
    target: _Target,
    sizes: Sizes,
    vocabulary: Vocabulary,
    state: TorchCheckpoint | TransformersState,
) -> None:
    """Convert a checkpoint that has every tensor of its family's list."""
    family = family_with(sizes)
    found = family.with_heads_in(sizes, state)
    tensors = family.tensors(found)
    _tell_left_out(target, check(tensors, state, family.ignored))
    for head in set(sizes.heads) - set(found.heads):
        _tell(target, f"lacks the {head.upper()} head that its configuration describes")
    _write(target, found, vocabulary, tensors, state)


def _tell(target: _Target, what: str) -> None:
    """Warn of what is odd about the checkpoint."""
    warnings.warn(f"{target.source}: {what}", stacklevel=2)


def _tell_left_out(target: _Target, modules: str) -> None:
    if modules:
        _tell(target, f"recognition does not need {modules}, which the model file is without")


def _convert_torch_model(window: Window, target: _Target) -> None:
    found = read_torch_model(window, target.source)
    _tell_left_out(target, found.left_out)
    vocabulary = labels_only("plain", found.model.labels)
    _write(target, found.model.sizes, vocabulary, found.model.tensors, found.state)


def _convert_foreign(target: _Target) -> None:
    """Convert a GGUF file of another project."""
    model = read_foreign(target.source)
    family = family_with(model.sizes)
    chosen = choose_types(family.tensors(model.sizes), family.storage, target.type)
    kept = kept_types(chosen, model.state, family.storage)
    entries = model_metadata(
        model.sizes, model.vocabulary, target.name, main_type(kept, family.storage)
    )
    write(
        target.path,
        family.name,
        entries,
        kept,
        model.state.read,
        target.progress,
        stored=model.state.blocks,
    )


def _write(
    target: _Target,
    sizes: Sizes,
    vocabulary: Vocabulary,
    tensors: Sequence[Tensor],
    state: TorchCheckpoint | TransformersState,
) -> None:
    entries = model_metadata(sizes, vocabulary, target.name, target.type)
    family = family_with(sizes)
    chosen = choose_types(tensors, family.storage, target.type)
    write(target.path, family.name, entries, chosen, state.read, target.progress)
