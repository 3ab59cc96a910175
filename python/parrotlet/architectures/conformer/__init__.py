"""NeMo's Conformer and FastConformer models with CTC and transducer heads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from parrotlet.architectures.conformer.sizes import KEYS, Conformer, read_sizes
from parrotlet.architectures.family import Family
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import Entry, entries

if TYPE_CHECKING:
    from parrotlet import _core
    from parrotlet.architectures.storage import StorageRules
    from parrotlet.architectures.tensors import Tensor
    from parrotlet.architectures.work import Pass, Work
    from parrotlet.memory.subjects import FamilyPlanner


class ConformerFamily(Family[Conformer]):
    """The family `conformer`."""

    name = Conformer.architecture

    def read(self, keys: GgufKeys, tensors: Collection[str]) -> Conformer:
        """The sizes that a file states; raises ModelFileError."""
        return read_sizes(keys, tensors)

    def entries(self, sizes: Conformer) -> list[Entry]:
        """What a file states of the sizes."""
        return entries(sizes, KEYS)

    def tensors(self, sizes: Conformer) -> list[Tensor]:
        """Every tensor of a file."""
        from parrotlet.architectures.conformer.tensors import conformer

        return conformer(sizes)

    @property
    def storage(self) -> StorageRules:
        """Which tensors take the type that is asked for."""
        from parrotlet.architectures.conformer.tensors import STORAGE

        return STORAGE

    def presets(self) -> Mapping[str, Conformer]:
        """Sizes of published checkpoints by name."""
        from parrotlet.architectures.conformer.published import PRESETS

        return PRESETS

    def planner(self) -> FamilyPlanner[Conformer]:
        """What plans memory."""
        from parrotlet.architectures.conformer.memory import ConformerPlanner

        return ConformerPlanner()

    def work(self, file: _core.GgufFile, sizes: Conformer) -> Callable[[Pass], dict[str, Work]]:
        """What counts multiply-adds."""
        from parrotlet.architectures.conformer.work import ConformerWork

        return ConformerWork(file, sizes).count


CONFORMER = ConformerFamily()
