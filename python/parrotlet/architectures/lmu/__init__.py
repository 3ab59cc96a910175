"""Models of Legendre Memory Units, with self-attention or without, and a CTC head."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from parrotlet.architectures.family import Family
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.lmu.sizes import KEYS, Lmu, read_sizes
from parrotlet.architectures.metadata import Entry, entries

if TYPE_CHECKING:
    from parrotlet.architectures.configured import InStateDict
    from parrotlet.architectures.storage import StorageRules
    from parrotlet.architectures.tensors import Tensor


class LmuFamily(Family[Lmu]):
    """The family `lmu`."""

    name = Lmu.architecture
    state_dicts = "an LMU model (encoder.lmu_layers.*)"

    def read(self, keys: GgufKeys, tensors: Collection[str]) -> Lmu:
        """The sizes that a file states; raises ModelFileError."""
        return read_sizes(keys, tensors)

    def entries(self, sizes: Lmu) -> list[Entry]:
        """What a file states of the sizes."""
        return entries(sizes, KEYS)

    def tensors(self, sizes: Lmu) -> list[Tensor]:
        """Every tensor of a file."""
        from parrotlet.architectures.lmu.tensors import lmu

        return lmu(sizes)

    @property
    def storage(self) -> StorageRules:
        """Which tensors take the type that is asked for."""
        from parrotlet.architectures.lmu.tensors import STORAGE

        return STORAGE

    def from_state_dict(
        self, names: Collection[str], settings: Callable[[], tuple[dict[Any, Any], str]]
    ) -> InStateDict[Lmu] | None:
        """The model of a state dict with these names."""
        from parrotlet.architectures.configured import InStateDict
        from parrotlet.architectures.lmu.settings import checkpoint_settings, is_lmu
        from parrotlet.architectures.lmu.tensors import lmu

        if not is_lmu(names):
            return None
        found = checkpoint_settings(*settings(), names)
        return InStateDict(found.sizes, found.labels, lmu(found.sizes, found.stored))

    @property
    def ignored(self) -> re.Pattern[str]:
        """Names in a checkpoint that are no tensors of the model."""
        from parrotlet.architectures.lmu.tensors import IGNORED

        return IGNORED


LMU = LmuFamily()
