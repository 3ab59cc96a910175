"""Models of published architectures with random weights, for measuring speed and memory."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..architectures import Sizes, family_with, preset_sizes, stored_size
from ..architectures.storage import choose_types
from ..progress import FileProgress
from ..sentencepiece_settings import SentencePieceSettings
from .metadata import model_metadata
from .tokenizer import Vocabulary
from .writer import write

NORMAL_TOKEN, UNKNOWN_TOKEN = 1, 2  # GGUF's token types


def synthesize(
    preset: str,
    out: str | os.PathLike[str],
    type: str = "q8_0",
    seed: int = 0,
    progress: FileProgress | None = None,
    in_place: bool = False,
) -> Path:
    """Write a GGUF file of a preset's true shapes with weights drawn from `seed`.

    Activations keep the scale that trained models have, so that nothing overflows or vanishes;
    the text that comes out means nothing. `progress` and `in_place` are as for `write`. Raises
    ValueError for an unknown preset and ModelFileError if the file cannot be written.
    """
    sizes = _preset(preset)
    family = family_with(sizes)
    tensors = family.tensors(sizes)
    shapes = {name: shape for tensor in tensors for name, shape in tensor.sources}
    rng = np.random.default_rng(seed)

    def read(name: str) -> NDArray[np.float32]:
        return random_values(name, shapes[name], rng)

    entries = model_metadata(sizes, numbered_vocabulary(sizes.vocab), preset, type)
    target = Path(os.fspath(out))
    chosen = choose_types(tensors, family.storage, type)
    write(target, family.name, entries, chosen, read, progress, in_place)
    return target


def planned_bytes(preset: str, type: str) -> int:
    """Bytes of tensors in the file that `synthesize` writes; raises ValueError as it does."""
    return stored_size(_preset(preset), type)


def _preset(name: str) -> Sizes:
    known = preset_sizes()
    if name not in known:
        raise ValueError(f"preset is {name!r}; expected one of {', '.join(known)}")
    return known[name]


def numbered_vocabulary(size: int) -> Vocabulary:
    """A vocabulary of `size` pieces: the unknown, and every number from 1 up as one word."""
    pieces = ("<unk>", *(f"\N{LOWER ONE EIGHTH BLOCK}{i}" for i in range(1, size)))
    types = (UNKNOWN_TOKEN, *(NORMAL_TOKEN,) * (size - 1))
    return Vocabulary("spm", pieces, (0.0,) * size, types, SentencePieceSettings("unigram"))


def random_values(
    name: str, shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Values for the checkpoint's tensor of a name, of the scale that trained ones have."""
    if name.endswith("featurizer.window"):
        return np.hanning(shape[0]).astype(np.float32)
    if name.endswith("featurizer.fb"):
        return rng.random(shape, dtype=np.float32) / np.float32(shape[-1])
    if name.endswith("running_var"):
        return rng.random(shape, dtype=np.float32) + np.float32(0.5)
    values = rng.standard_normal(shape, dtype=np.float32)
    if "norm" in name and name.endswith("weight"):
        return np.float32(1) + np.float32(0.1) * values
    if len(shape) < 2 or "pos_bias" in name:
        return np.float32(0.1) * values
    return values / np.float32(math.sqrt(math.prod(shape[1:])))
