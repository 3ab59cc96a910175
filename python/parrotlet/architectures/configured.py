"""What a checkpoint says of its model, apart from the values of the tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from parrotlet.architectures.tensors import Tensor

S = TypeVar("S")
"""Sizes of a family."""

PROCESSORS = ("processor_config.json", "preprocessor_config.json")
"""Files of `transformers` that may hold the configuration of the feature extractor, the newer name
first."""


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
