"""Converting checkpoints, as a function of the package."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def convert(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    type: str = "q8_0",
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Convert a NeMo checkpoint (`.nemo`) to a GGUF file and return its path.

    `type` is what matrices are stored as: "f32", "f16" or "q8_0". `progress(bytes done, bytes in
    all, tensor name)` is called as tensors are written. Neither PyTorch nor NeMo is needed, and
    tensors pass through one at a time. `out` is replaced only by a complete file.

    Raises CheckpointError if the checkpoint is missing or damaged, UnsupportedModelError if it
    is of a kind that parrotlet does not run, and ValueError for an unknown type.
    """
    # Imported here: reading checkpoints needs packages that transcribing does not.
    from parrotlet._convert import convert as convert_checkpoint

    return convert_checkpoint(checkpoint, out, type=type, progress=progress)
