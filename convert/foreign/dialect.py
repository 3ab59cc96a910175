"""What is asked of a dialect: one object for each project whose files are read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from ...architectures.keys import Section
from ...errors import CheckpointError, UnsupportedModelError
from ..tokenizer import BYTE, CONTROL, NORMAL, UNKNOWN, Vocabulary, labels_only

METADATA = "its metadata"
"""What messages call the metadata of a file."""

Shapes = Mapping[str, tuple[int, ...]]
"""Tensors of a file by NeMo's names, with their shapes in PyTorch's order."""

Renames = tuple[tuple[str, str], ...]
"""Patterns of the beginnings of names, and what NeMo has in their place."""

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_UNKNOWN = "<unk>"
_MARKERS = ("<s>", "</s>", "<pad>")


class Dialect(ABC):
    """How one project writes a model of NeMo's."""

    project: ClassVar[str]
    """The project by the name that people know."""

    prefix: ClassVar[str]
    """Before each of the keys that describe the model."""

    renames: ClassVar[Renames] = ()
    """The first pattern that matches the beginning of a tensor's name is replaced."""

    zero_bias: ClassVar[bool] = False
    """Whether depthwise convolutions have a bias of zeros where the model has none."""

    @abstractmethod
    def recognises(self, metadata: Mapping[str, Any]) -> bool:
        """Whether a file with this metadata is of the project."""

    @abstractmethod
    def configuration(self, keys: Section, tensors: Shapes) -> dict[str, Any]:
        """NeMo's `model_config.yaml` of the model.

        Raises CheckpointError for a key that is missing or makes no sense, and
        UnsupportedModelError for a model that the file does not describe fully.
        """

    @abstractmethod
    def vocabulary(self, keys: Section, metadata: Section) -> Vocabulary:
        """The tokens without the blank.

        `keys` are those with the prefix and `metadata` are all. Raises CheckpointError if there is
        no tokenizer or it makes no sense.
        """

    def doubt(self, configuration: Mapping[str, Any]) -> str:
        """What the user should know that a file of this configuration does not say, or nothing."""
        return ""

    def is_planar(self, keys: Section, name: str) -> bool:
        """Whether the q8_0 tensor of NeMo's `name` has all its values before all its scales."""
        return False

    def keys(self, metadata: Mapping[str, Any]) -> Section:
        """The keys with the prefix, named without it."""
        found = {
            key.removeprefix(self.prefix): value
            for key, value in metadata.items()
            if key.startswith(self.prefix)
        }
        return Section(found, self.prefix.rstrip("."), file=METADATA)

    def nemo_name(self, name: str) -> str:
        """NeMo's name of a tensor."""
        for pattern, replacement in self.renames:
            found = re.match(pattern, name)
            if found is not None:
                return found.expand(replacement) + name[found.end() :]
        return name


def pieces_alone(pieces: Collection[str]) -> Vocabulary:
    """The vocabulary of a file that has the pieces of a SentencePiece model and nothing else.

    Their types show in their texts. Texts cannot be encoded with it. Raises CheckpointError if
    there are none.
    """
    if not pieces:
        raise CheckpointError(f"{METADATA} has no tokens, and without them there is no text")
    kinds = dict.fromkeys(_MARKERS, CONTROL) | {_UNKNOWN: UNKNOWN}
    types = [BYTE if _BYTE.fullmatch(p) else kinds.get(p, NORMAL) for p in pieces]
    labels = labels_only("spm", tuple(pieces))
    return Vocabulary(labels.model, labels.tokens, labels.scores, tuple(types))


def check_blank(keys: Section, key: str, tokens: int) -> None:
    """Raise UnsupportedModelError unless the blank follows the tokens, as in all of NeMo's."""
    blank = keys.integer(key, tokens, least=0)
    if blank != tokens:
        raise UnsupportedModelError(
            f"{METADATA}: {keys.name(key)} is {blank}, and there are {tokens} tokens; supported "
            "are models whose blank follows their tokens"
        )


def expect(keys: Section, expected: Iterable[tuple[str, Any]]) -> None:
    """Raise UnsupportedModelError unless each key is absent or has the one value that is computed
    here."""
    for key, value in expected:
        found = keys.value(key, value)
        if found != value:
            raise UnsupportedModelError(
                f"{METADATA}: {keys.name(key)} is {found!r:.40}; supported is {value!r}"
            )
