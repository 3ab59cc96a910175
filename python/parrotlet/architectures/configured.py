"""What a checkpoint says of its model, apart from the values of the tensors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from parrotlet.architectures.keys import Section
from parrotlet.architectures.tensors import Tensor
from parrotlet.errors import UnsupportedModelError

S = TypeVar("S")
"""Sizes of a family."""


@dataclass(frozen=True)
class Configured(Generic[S]):
    """A model as its configuration has it, whichever library wrote that.

    `sizes.vocab` is 0 where only the tokenizer tells it. `vocab_sizes` are the sizes that the
    configuration states, by key, without the blank; `subword` says that tokens are SentencePiece's.
    """

    sizes: S
    subword: bool
    vocab_sizes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class InStateDict(Generic[S]):
    """A model that a state dict and the settings of its training describe.

    It has sizes, the text of each output except the blank, and all tensors, those that the state
    dict lacks included.
    """

    sizes: S
    labels: tuple[str, ...]
    tensors: list[Tensor]


def nemo_class(values: dict[Any, Any], known: Collection[str]) -> str:
    """The class of the model that a parsed `model_config.yaml` is of.

    Raises CheckpointError if it names none, and UnsupportedModelError for one not among `known`.
    """
    name = Section(values).text("target").rpartition(".")[2]
    if name not in known:
        raise UnsupportedModelError(
            f"the model class {name} is not supported; supported are {', '.join(sorted(known))}"
        )
    return name
