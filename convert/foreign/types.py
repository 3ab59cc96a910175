"""The types that the tensors of a foreign file are stored as: never quantised a second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ... import _core
from ...architectures.storage import ChosenType, StorageRules, fitting
from ...errors import UnsupportedModelError
from .state import QUANTISED, ForeignState

NOT_QUANTISED = ("f32", "f16", "bf16")


def kept_types(
    chosen: Sequence[ChosenType], state: ForeignState, rules: StorageRules
) -> list[ChosenType]:
    """`chosen` with the type that the file has for each matrix in blocks.

    For f32 and f16 blocks are decoded. Raises UnsupportedModelError if a matrix has wider blocks
    than are asked for: quantising twice loses accuracy.
    """
    return [_kept(item, state, rules) for item in chosen]


def _kept(item: ChosenType, state: ForeignState, rules: StorageRules) -> ChosenType:
    stored = state.stored(item.tensor)
    if (
        stored is None
        or stored.type in NOT_QUANTISED
        or item.type not in QUANTISED
        or not rules.is_matrix(item.tensor.name, item.tensor.shape)
    ):
        return item
    # Blocks of another kind are decoded, and 8 bits hold what they say.
    kept = stored.type if stored.type in QUANTISED else "q8_0"
    widest_first = _core.types()
    if widest_first.index(kept) < widest_first.index(item.type):
        raise UnsupportedModelError(
            f"tensor {item.tensor.name!r} is {stored.type} already, and quantising it again as "
            f"{item.type} loses accuracy; leave the type out, or start from the project's f16 file"
        )
    return replace(item, type=fitting(kept, item.tensor.shape))


def main_type(chosen: Sequence[ChosenType], rules: StorageRules) -> str:
    """The type that most matrices have, by their number of values."""
    values: Counter[str] = Counter()
    for item in chosen:
        if rules.is_matrix(item.tensor.name, item.tensor.shape):
            rows, columns = item.tensor.shape
            values[item.type] += rows * columns
    return values.most_common(1)[0][0] if values else "f32"
