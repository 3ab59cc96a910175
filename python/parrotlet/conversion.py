"""Making model files, as functions of the package."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Convert a checkpoint to a GGUF file and return its path.

    `checkpoint` is a NeMo archive (`.nemo`), or what PyTorch saved of an LMU model: a dict with
    `model_state_dict` and `config`, or a state dict with its configuration as YAML beside it.
    `type` is what matrices are stored as: "f32", "f16", "q8_0", "q6_k", "q5_k", "q4_k" or "q4_0".
    `progress(bytes done, bytes in all, tensor name)` is called as tensors are written. Neither
    PyTorch nor NeMo is needed, and tensors pass through one at a time. `out` is replaced only by a
    complete file.

    Raises CheckpointError if the checkpoint is missing or damaged, UnsupportedModelError if it
    is of a kind that parrotlet does not run, ModelFileError if `out` cannot be written, and
    ValueError for an unknown type.
    """
    # Imported here: reading checkpoints needs packages that transcribing does not.
    from parrotlet._convert import convert as convert_checkpoint

    return convert_checkpoint(checkpoint, out, type=type, progress=progress)


def quantize(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    keep: Mapping[str, str] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Write a model file in f32 or f16 anew with its matrices stored as `type`; return its path.

    `type` and `progress` are as in `convert`. `keep` gives the matrices whose names match a
    shell-style pattern another type, such as {"joint.*": "f16"}; where several patterns match, the
    last counts. `out` is replaced only by a complete file.

    Raises ModelFileError if the source is damaged or quantised already or `out` cannot be
    written, and ValueError for an unknown type or a pattern that matches no matrix.
    """
    from parrotlet._convert import quantize as quantize_file

    return quantize_file(source, out, type=type, keep=keep, progress=progress)
