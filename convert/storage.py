"""The type each tensor is stored as: what is a matrix, what stays wider, what a row allows."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .. import _core
from .mapping import Shape, Tensor

# With fewer than 8 bits a weight, the blocks of the encoder take the requested type and every other
# matrix is q8_0: a twentieth of the weights, and most of what few bits cost in accuracy.
FEW_BITS = ("q6_k", "q5_k", "q4_k", "q4_0")
ENCODER_BLOCKS = ("encoder.layers.", "encoder.lmu_layers.", "encoder.attention_layers.")

# The type to try when a row does not divide into a type's blocks; f32 always fits.
FALLBACK = {**dict.fromkeys(FEW_BITS, "q8_0"), "q8_0": "f16", "f16": "f32"}

# Two-dimensional, and still no matrix that takes the requested type: tables, vectors by head, and
# taps; of Legendre Memory Units the state-space matrices, which every frame passes through again,
# and the vectors that make one signal.
_NO_MATRIX = re.compile(
    r"""
      preprocessor\..*
    | .*\.pos_bias_[uv]
    | .*\.depthwise_conv\.weight
    | encoder\.lmu_layers\.\d+\.(cell\.)?([AB]|e_[xhm]|W_u\.weight)
    """,
    re.VERBOSE,
)
_SMALL_CONVOLUTION = re.compile(r"encoder\.pre_encode\.conv\.\d+\.weight")


@dataclass(frozen=True)
class Planned:
    """A tensor and the type it is stored as."""

    tensor: Tensor
    type: str

    @property
    def bytes(self) -> int:
        """Size of the data in the file, without padding."""
        elements, size = _core.block_layout(self.type)
        return math.prod(self.tensor.shape) // elements * size


def plan(
    tensors: Sequence[Tensor], type: str, keep: Mapping[str, str] | None = None
) -> list[Planned]:
    """Choose every tensor's type when matrices are asked to be of `type`.

    `keep` gives matrices whose names match a pattern (as in a shell) another type; where several
    match, the last counts. Rows that do not divide into the blocks of a type make it the next in
    FALLBACK. Raises ValueError for an unknown type and for a pattern that matches no matrix.
    """
    for name in (type, *(keep or {}).values()):
        if name not in _core.types():
            raise ValueError(f"type is {name!r}; expected one of {', '.join(_core.types())}")
    matrices = [t.name for t in tensors if is_matrix(t.name, t.shape)]
    types = {name: wide_enough(name, type) for name in matrices}
    for pattern, kept in (keep or {}).items():
        matches = [name for name in matrices if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise ValueError(f"no matrix of the model matches {pattern!r}")
        types.update(dict.fromkeys(matches, kept))
    return [Planned(t, _fitting(types.get(t.name, "f32"), t.shape)) for t in tensors]


def is_matrix(name: str, shape: Shape) -> bool:
    """Whether a tensor is one that takes the requested type; everything else is f32."""
    if len(shape) != 2 or _NO_MATRIX.fullmatch(name):
        return False
    # Of the convolutions of the subsampling, those of kernel size 1 are matrices, and square.
    return shape[0] == shape[1] or not _SMALL_CONVOLUTION.fullmatch(name)


def wide_enough(name: str, type: str) -> str:
    """The type of a matrix when `type` is asked for."""
    return "q8_0" if type in FEW_BITS and not name.startswith(ENCODER_BLOCKS) else type


def _fitting(type: str, shape: Shape) -> str:
    while shape and shape[-1] % _core.block_layout(type)[0]:
        type = FALLBACK[type]
    return type
