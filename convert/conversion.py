"""From a checkpoint to a GGUF file: a `.nemo` archive, what PyTorch Lightning saved of a NeMo model
in training, a directory of `transformers`, a PyTorch file of an LMU model, or a GGUF file of
another project.
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
from .archive import CONFIG, Window, open_archive, open_file
from .checkpoint import TorchCheckpoint
from .foreign import ForeignState, is_gguf_file, kept_types, main_type, read_foreign
from .lightning import nemo_settings, tokenizer_beside
from .metadata import model_metadata
from .tokenizer import Vocabulary, labels_only, read_tokenizer
from .tokenizer_files import TokenizerFiles, TokenizerFolder
from .torch_model import read_torch_model
from .torch_zip import is_torch_file
from .transformers_model import TransformersState, is_model_directory, open_model
from .writer import check_output, write


@dataclass(frozen=True)
class _Model:
    """What a checkpoint holds: every tensor of `tensors` can be read from `state`. `remarks` are
    what is odd about it."""

    name: str
    sizes: Sizes
    vocabulary: Vocabulary
    tensors: Sequence[Tensor]
    state: TorchCheckpoint | TransformersState | ForeignState
    remarks: tuple[str, ...] = ()


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: FileProgress | None = None,
    name: str | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
) -> Path:
    """Convert an ASR checkpoint to a GGUF file and return the path of that file.

    `checkpoint` is a NeMo archive (`.nemo`), what PyTorch Lightning saved of a NeMo model in
    training (`.ckpt`), a directory as `transformers` saves a Parakeet model, a GGUF file of another
    project (`foreign/`), or what PyTorch saved of an LMU model: a dict with `model_state_dict` and
    `config`, or a state dict with its configuration as YAML beside it. `tokenizer` is the directory
    or the file of a NeMo model's tokenizer, if it is neither in the archive nor beside the `.ckpt`.
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
    given = None if tokenizer is None else Path(os.fspath(tokenizer))
    with _naming(source), _open(source, path.parent, given) as model:
        for remark in model.remarks:
            warnings.warn(f"{source}: {remark}", stacklevel=2)
        _write(model, path, name or model.name, type, progress)
    return path


def describe(checkpoint: Path) -> Sizes:
    """The sizes of the model in a checkpoint that is a file.

    Raises CheckpointError and UnsupportedModelError as `convert` does.
    """
    with _naming(checkpoint), _open_file(checkpoint, checkpoint.parent, None) as model:
        return model.sizes


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """Begin what errors say with the name of the checkpoint."""
    try:
        yield
    except (CheckpointError, UnsupportedModelError) as error:
        raise error.__class__(f"{source}: {error}") from error.__cause__


@contextmanager
def _open(source: Path, scratch: Path, tokenizer: Path | None) -> Iterator[_Model]:
    """A checkpoint of any kind, whose values can be read meanwhile."""
    if is_model_directory(source):
        _check_no_tokenizer(tokenizer)
        with open_model(source) as found:
            yield _listed(source.resolve().name, found.config, found.vocabulary, found.state)
        return
    if source.suffix in (".json", ".safetensors") and is_model_directory(source.parent):
        raise CheckpointError(
            f"is a part of what transformers saved; give the directory {source.parent}"
        )
    with _open_file(source, scratch, tokenizer) as model:
        yield model


@contextmanager
def _open_file(source: Path, scratch: Path, tokenizer: Path | None) -> Iterator[_Model]:
    """A checkpoint that is a file: GGUF, of PyTorch, or an archive, which `scratch` may be needed
    for."""
    if is_gguf_file(source):
        _check_no_tokenizer(tokenizer)
        yield _foreign(source)
        return
    with open_file(source) as file:
        window = Window(file, 0, file.seek(0, os.SEEK_END), source.name)
        if is_torch_file(window):
            yield _torch_file(source, TorchCheckpoint(window), tokenizer)
            return
    with open_archive(source, scratch=scratch) as archive:
        values = parse_yaml(archive.config, CONFIG)
        files = archive if tokenizer is None else _given(tokenizer)
        yield _nemo_model(source, values, files, TorchCheckpoint(archive.weights))


def _foreign(source: Path) -> _Model:
    """A GGUF file of another project."""
    found = read_foreign(source)
    tensors = family_with(found.sizes).tensors(found.sizes)
    return _Model(source.stem, found.sizes, found.vocabulary, tensors, found.state)


def _torch_file(source: Path, state: TorchCheckpoint, tokenizer: Path | None) -> _Model:
    values = nemo_settings(state)
    if values is not None:
        files = tokenizer_beside(source, values) if tokenizer is None else _given(tokenizer)
        return _nemo_model(source, values, files, state)
    _check_no_tokenizer(tokenizer)
    model, left_out = read_torch_model(state, source)
    vocabulary = labels_only("plain", model.labels)
    remarks = _left_out(left_out)
    return _Model(source.stem, model.sizes, vocabulary, model.tensors, state, remarks)


def _nemo_model(
    source: Path, values: dict[str, Any], files: TokenizerFiles, state: TorchCheckpoint
) -> _Model:
    """A model that NeMo's configuration `values` describes."""
    config = nemo_family(values).from_nemo(values)
    return _listed(source.stem, config, read_tokenizer(files, values, config), state)


def _listed(
    name: str,
    config: Configured[Any],
    vocabulary: Vocabulary,
    state: TorchCheckpoint | TransformersState,
) -> _Model:
    """A checkpoint that has every tensor of its family's list, but for heads that it lacks."""
    described: Sizes = replace(config.sizes, vocab=len(vocabulary.tokens))
    family = family_with(described)
    sizes = family.with_heads_in(described, state)
    tensors = family.tensors(sizes)
    remarks = _left_out(check(tensors, state, family.ignored))
    for head in set(described.heads) - set(sizes.heads):
        remarks += (f"lacks the {head.upper()} head that its configuration describes",)
    return _Model(name, sizes, vocabulary, tensors, state, remarks)


def _left_out(modules: str) -> tuple[str, ...]:
    """What is said of modules that are not the model's, if there are any."""
    if not modules:
        return ()
    return (f"recognition does not need {modules}, which the model file is without",)


def _given(tokenizer: Path) -> TokenizerFolder:
    missing = f"in {tokenizer}; give the tokenizer that the model has"
    return TokenizerFolder(tokenizer, missing, below=True)


def _check_no_tokenizer(tokenizer: Path | None) -> None:
    if tokenizer is not None:
        raise CheckpointError(
            "has its tokenizer in itself; leave out --tokenizer (in Python tokenizer=)"
        )


def _write(model: _Model, path: Path, name: str, type: str, progress: FileProgress | None) -> None:
    """Write a model whose matrices are asked to be of `type`; blocks of a GGUF file are kept."""
    family, state = family_with(model.sizes), model.state
    chosen = choose_types(model.tensors, family.storage, type)
    blocks = None
    if isinstance(state, ForeignState):
        chosen = kept_types(chosen, state, family.storage)
        type = main_type(chosen, family.storage)
        blocks = state.blocks
    entries = model_metadata(model.sizes, model.vocabulary, name, type)
    write(path, family.name, entries, chosen, state.read, progress, stored=blocks)
