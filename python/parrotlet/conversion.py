"""Making model files, and describing checkpoints, as functions of the package.

Only this module and the hub's know where the converter is; it is imported when it is used, since
reading checkpoints needs packages that transcribing does not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parrotlet import hub
from parrotlet.progress import FileProgress

if TYPE_CHECKING:
    from parrotlet.architectures import Sizes


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: FileProgress | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
) -> Path:
    """Convert a checkpoint to a GGUF file and return its path.

    `checkpoint` is a NeMo archive (`.nemo`), what PyTorch Lightning saved of a NeMo model in
    training (`.ckpt`), a directory in which `transformers` saved a Parakeet model, a GGUF file of
    another project, or a repository of the Hugging Face hub, such as
    "nvidia/parakeet-tdt-0.6b-v2", which is fetched into the hub's cache (docs/getting.md). It may
    also be what PyTorch saved of an LMU model: a dict with `model_state_dict` and `config`, or a
    state dict with its configuration as YAML in the same directory.

    `tokenizer` is the directory or the file of a NeMo model's tokenizer. It is needed where it is
    neither in the archive nor, as "tokenizer.model" or "vocab.txt", beside the `.ckpt`; of several
    languages each has a directory of its own below.

    `type` is what matrices are stored as: "f32", "f16", "q8_0", "q6_k", "q5_k", "q4_k" or "q4_0".
    Those that are quantised in a GGUF file stay as they are, unless it is "f32" or "f16".
    `progress(bytes done, bytes in all, name)` is called as tensors are written. Before that it is
    called with "fetching FILE" as files arrive. Neither PyTorch nor NeMo is needed, and one tensor
    at a time is in memory. `out` is replaced only by a complete file. What recognition does not
    need of a fine-tune, such as heads of other tasks, is left out with a UserWarning that names it.

    Raises HubError if the checkpoint cannot be fetched, CheckpointError if it is missing or
    damaged, UnsupportedModelError if it is of a kind that parrotlet does not run, ModelFileError
    if `out` cannot be written, and ValueError for an unknown type.
    """
    from parrotlet._convert import check_output, check_type
    from parrotlet._convert import convert as convert_checkpoint

    name = None
    repository = hub.repository(checkpoint)
    if repository is not None:
        # What is wrong with the rest shall be known before gigabytes are fetched.
        check_type(type)
        check_output(Path(str(repository)), Path(out), "checkpoint")
        source = hub.fetch_checkpoint(repository, progress, type)
        name = None if source.is_file() else repository.name
        checkpoint = source
    return convert_checkpoint(
        checkpoint, out, type=type, progress=progress, name=name, tokenizer=tokenizer
    )


def quantize(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    keep: Mapping[str, str] | None = None,
    progress: FileProgress | None = None,
) -> Path:
    """Write an f32 or f16 model file again with its matrices stored as `type`; return its path.

    `source` is a GGUF file, or a repository of the Hugging Face hub. Of a repository its GGUF file
    in f16 is used, or another one that is named, or else its checkpoint, converted to f16 and kept
    (docs/getting.md). `type` and `progress` are as in `convert`. `keep` has other types for
    matrices whose names match a shell-style pattern, such as {"joint.*": "f16"}; of several
    patterns that match, the last counts. `out` is replaced only by a complete file.

    Raises HubError if the source cannot be fetched, ModelFileError if it is damaged or quantised
    already or `out` cannot be written, and ValueError for an unknown type or a pattern that matches
    no matrix.
    """
    from parrotlet._convert import check_output, check_type
    from parrotlet._convert import quantize as quantize_file

    repository = hub.repository(source)
    if repository is not None:
        for name in (type, *(keep or {}).values()):
            check_type(name)
        check_output(Path(str(repository)), Path(out), "file to quantise")
        source = hub.model_file(repository, "f16", progress)
    return quantize_file(source, out, type=type, keep=keep, progress=progress)


def describe(checkpoint: str | os.PathLike[str]) -> Sizes:
    """Return the sizes of the model in a checkpoint that is a file: a `.nemo` archive, a file of
    PyTorch, or a GGUF file of another project.

    No weights are read. Raises CheckpointError and UnsupportedModelError as `convert` does.
    """
    from parrotlet._convert import describe as describe_checkpoint

    return describe_checkpoint(Path(os.fspath(checkpoint)))


def project_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the project whose GGUF files have such metadata; None for one that is not known."""
    from parrotlet._convert import project_of as found

    return found(metadata)


def synthesize(
    preset: str,
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: FileProgress | None = None,
    in_place: bool = False,
) -> Path:
    """Write a model file of a published architecture's shapes with random weights; return its path.

    `type` and `progress` are as in `convert`; `in_place` writes to the file that is there. Raises
    ValueError for an unknown preset or type, and ModelFileError if the file cannot be written.
    """
    from parrotlet._convert import synthesize as synthesize_file

    return synthesize_file(preset, out, type, progress=progress, in_place=in_place)


def synthetic_bytes(preset: str, type: str) -> int:
    """Return the bytes of tensors that `synthesize` writes; raises ValueError as it does."""
    from parrotlet._convert import planned_bytes

    return planned_bytes(preset, type)
