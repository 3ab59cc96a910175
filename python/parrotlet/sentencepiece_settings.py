"""What a model file says of a SentencePiece model beside its pieces; written and read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parrotlet.architectures.metadata import Entry
from parrotlet.errors import ModelFileError

ALGORITHMS = {"unigram": 1, "bpe": 2, "word": 3, "char": 4}
"""What a text is cut into pieces by; SentencePiece's `TrainerSpec.ModelType`."""

PREFIX = "tokenizer.ggml."
"""What the keys of the settings begin with, where a model has one vocabulary."""

_MAX_SCORE = 3.4028234e38  # of float32, which SentencePiece keeps scores in


def language_prefix(place: int) -> str:
    """What the keys of the settings of one of several languages begin with, counted from 0."""
    return f"{PREFIX}language.{place}."


def is_score(value: Any) -> bool:
    """Whether `value` is a number that SentencePiece can hold as a score: a finite float32."""
    return type(value) in (int, float) and abs(value) <= _MAX_SCORE


@dataclass(frozen=True)
class SentencePieceSettings:
    """What a SentencePiece model needs beside its pieces to encode.

    `charsmap` is the compiled normalisation, empty for none. The flags are those of the same
    meaning in SentencePiece's `NormalizerSpec` and `TrainerSpec`.
    """

    algorithm: str
    charsmap: bytes = b""
    add_space_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True
    whitespace_as_suffix: bool = False

    def entries(self, prefix: str = PREFIX) -> list[Entry]:
        """(key, kind, value) of each, as GGUF has them; a writer leaves out an empty map."""
        flags = (
            "add_space_prefix",
            "remove_extra_whitespaces",
            "escape_whitespaces",
            "whitespace_as_suffix",
        )
        return [
            (prefix + "algorithm", "str", self.algorithm),
            (prefix + "precompiled_charsmap", "u8[]", self.charsmap),
            *((prefix + name, "bool", getattr(self, name)) for name in flags),
        ]

    @classmethod
    def from_metadata(
        cls, metadata: Mapping[str, Any], path: str, prefix: str = PREFIX
    ) -> SentencePieceSettings | None:
        """Read what `entries` wrote; None for a file that says nothing of encoding.

        Raises ModelFileError for values that make no sense.
        """
        found: dict[str, Any] = {}
        for key, _, default in cls("bpe").entries(prefix):
            value = metadata.get(key, default)
            if not isinstance(value, type(default)):
                raise ModelFileError(
                    f"{path}: {key} is {value!r:.40}; expected {type(default).__name__}; "
                    "convert the checkpoint again"
                )
            found[key.removeprefix(prefix)] = value
        if prefix + "algorithm" not in metadata:
            return None
        if found["algorithm"] not in ALGORITHMS:
            raise ModelFileError(
                f"{path}: {prefix}algorithm is {found['algorithm']!r:.40}; expected one of "
                f"{', '.join(ALGORITHMS)}; convert the checkpoint again"
            )
        return cls(charsmap=found.pop("precompiled_charsmap"), **found)
