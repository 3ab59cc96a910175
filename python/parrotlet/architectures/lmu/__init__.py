"""Models of Legendre Memory Units, with self-attention or without, and a CTC head."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from parrotlet.architectures.family import Family
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.lmu.sizes import KEYS, Lmu, read_sizes
from parrotlet.architectures.metadata import Entry, entries

if TYPE_CHECKING:
    from parrotlet import _core
    from parrotlet.architectures.storage import StorageRules
    from parrotlet.architectures.tensors import Tensor
    from parrotlet.architectures.work import Pass, Work
    from parrotlet.memory.subjects import FamilyPlanner


class LmuFamily(Family[Lmu]):
    """The family `lmu`."""

    name = Lmu.architecture

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

    def planner(self) -> FamilyPlanner[Lmu]:
        """What plans memory."""
        from parrotlet.architectures.lmu.memory import LmuPlanner

        return LmuPlanner()

    def work(self, file: _core.GgufFile, sizes: Lmu) -> Callable[[Pass], dict[str, Work]]:
        """What counts multiply-adds."""
        from parrotlet.architectures.lmu.work import LmuWork

        return LmuWork(file, sizes).count


LMU = LmuFamily()
