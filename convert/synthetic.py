"""Models of published architectures with random weights, for measuring speed and memory."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .config import ModelConfig
from .mapping import conformer
from .metadata import ARCHITECTURE, conformer_metadata
from .presets import PRESETS
from .storage import plan
from .tokenizer import Tokenizer
from .writer import Progress, write

NORMAL_TOKEN = 1  # GGUF's token type


def synthesize(
    preset: str,
    out: str | os.PathLike[str],
    type: str = "q8_0",
    seed: int = 0,
    progress: Progress | None = None,
    in_place: bool = False,
) -> Path:
    """Write a GGUF file of a preset's true shapes with weights drawn from `seed`.

    Activations keep the scale that trained models have, so that nothing overflows or vanishes;
    the text that comes out means nothing. `progress` and `in_place` are as for `write`. Raises
    ValueError for an unknown preset and ModelFileError if the file cannot be written.
    """
    config, vocab = _preset(preset)
    tensors = conformer(config, vocab)
    shapes = {name: shape for tensor in tensors for name, shape in tensor.sources}
    rng = np.random.default_rng(seed)

    def read(name: str) -> NDArray[np.float32]:
        return _values(name, shapes[name], rng)

    entries = conformer_metadata(config, _tokenizer(vocab), preset, type)
    target = Path(os.fspath(out))
    write(target, ARCHITECTURE, entries, plan(tensors, type), read, progress, in_place)
    return target


def planned_bytes(preset: str, type: str) -> int:
    """Bytes of tensors in the file that `synthesize` writes; raises ValueError as it does."""
    return sum(item.bytes for item in plan(conformer(*_preset(preset)), type))


def _preset(name: str) -> tuple[ModelConfig, int]:
    if name not in PRESETS:
        raise ValueError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _tokenizer(vocab: int) -> Tokenizer:
    pieces = tuple(f"\N{LOWER ONE EIGHTH BLOCK}{i}" for i in range(vocab))
    return Tokenizer("spm", pieces, (0.0,) * vocab, (NORMAL_TOKEN,) * vocab)


def _values(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
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
