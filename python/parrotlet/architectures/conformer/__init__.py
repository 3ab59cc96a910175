"""NeMo's Conformer and FastConformer models with CTC and transducer heads."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from parrotlet.architectures.conformer.sizes import KEYS, Conformer, read_sizes
from parrotlet.architectures.family import Family
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import Entry, entries

if TYPE_CHECKING:
    from parrotlet.architectures.configured import Configured
    from parrotlet.architectures.storage import StorageRules
    from parrotlet.architectures.tensors import Tensor


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

    @property
    def nemo_classes(self) -> Collection[str]:
        """NeMo's classes whose archives hold such models."""
        from parrotlet.architectures.conformer.nemo_config import MODEL_CLASSES

        return MODEL_CLASSES

    def from_nemo(self, values: dict[str, Any]) -> Configured[Conformer]:
        """The model of a parsed `model_config.yaml`."""
        from parrotlet.architectures.conformer.nemo_config import model_config

        return model_config(values)

    def with_heads_in(self, sizes: Conformer, names: Collection[str]) -> Conformer:
        """The sizes of a hybrid model without the head that a checkpoint lacks."""
        from parrotlet.architectures.conformer.tensors import with_heads_in

        return with_heads_in(sizes, names)

    @property
    def ignored(self) -> re.Pattern[str]:
        """Names in a checkpoint that are no tensors of the model."""
        from parrotlet.architectures.conformer.tensors import IGNORED

        return IGNORED

    def presets(self) -> Mapping[str, Conformer]:
        """Sizes of published checkpoints by name."""
        from parrotlet.architectures.conformer.published import PRESETS

        return PRESETS


CONFORMER = ConformerFamily()
