"""The type each tensor is stored as: what is a matrix, what stays wider, what a row allows."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parrotlet import _core
from parrotlet.architectures.tensors import Shape, Tensor

# With fewer than 8 bits a weight, the blocks of the encoder take the requested type and every other
# matrix is q8_0: a twentieth of the weights, and most of what few bits cost in accuracy.
FEW_BITS = ("q6_k", "q5_k", "q4_k", "q4_0")

# The type to try when a row does not divide into a type's blocks; f32 always fits.
FALLBACK = {**dict.fromkeys(FEW_BITS, "q8_0"), "q8_0": "f16", "f16": "f32"}


@dataclass(frozen=True)
class StorageRules:
    """What a family says of its tensors by their names.

    `blocks` are the prefixes of the encoder's blocks. Tensors of two axes are matrices, which take
    the requested type, unless `no_matrix` matches their names. Where `square` matches, only tensors
    with as many rows as columns are matrices. Everything else is f32. The defaults are for families
    that are not known.
    """

    blocks: tuple[str, ...] = ("encoder.",)
    no_matrix: re.Pattern[str] = re.compile(r"preprocessor\..*")
    square: re.Pattern[str] | None = None

    def is_matrix(self, name: str, shape: Shape) -> bool:
        """Whether a tensor is one that takes the requested type."""
        if len(shape) != 2 or self.no_matrix.fullmatch(name):
            return False
        return shape[0] == shape[1] or not (self.square and self.square.fullmatch(name))

    def wide_enough(self, name: str, type: str) -> str:
        """The type of a matrix when `type` is asked for."""
        return "q8_0" if type in FEW_BITS and not name.startswith(self.blocks) else type


@dataclass(frozen=True)
class ChosenType:
    """A tensor and the type it is stored as."""

    tensor: Tensor
    type: str

    @property
    def bytes(self) -> int:
        """Size of the data in the file, without padding."""
        return stored_bytes(self.type, self.tensor.shape)


def check_type(type: str) -> None:
    """Raise ValueError for a type that there is not."""
    if type not in _core.types():
        raise ValueError(f"type is {type!r}; expected one of {', '.join(_core.types())}")


def choose_types(
    tensors: Sequence[Tensor],
    rules: StorageRules,
    type: str,
    keep: Mapping[str, str] | None = None,
) -> list[ChosenType]:
    """Choose every tensor's type when matrices are asked to be of `type`.

    `keep` gives matrices whose names match a pattern (as in a shell) another type; where several
    match, the last counts. A matrix whose rows do not divide into the blocks of its type gets the
    next type in FALLBACK. Raises ValueError for an unknown type and for a pattern that matches no
    matrix.
    """
    for name in (type, *(keep or {}).values()):
        check_type(name)
    matrices = [t.name for t in tensors if rules.is_matrix(t.name, t.shape)]
    types = {name: rules.wide_enough(name, type) for name in matrices}
    for pattern, kept in (keep or {}).items():
        matches = [name for name in matrices if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise ValueError(f"no matrix of the model matches {pattern!r}")
        types.update(dict.fromkeys(matches, kept))
    return [ChosenType(t, fitting(types.get(t.name, "f32"), t.shape)) for t in tensors]


def fitting(type: str, shape: Shape) -> str:
    """A type into whose blocks the rows of a shape divide: `type` or what it falls back to."""
    while shape and shape[-1] % _core.block_layout(type)[0]:
        type = FALLBACK[type]
    return type


def stored_bytes(type: str, shape: Shape) -> int:
    """Size of a tensor's data in a file, without padding."""
    elements, size = _core.block_layout(type)
    return math.prod(shape) // elements * size
