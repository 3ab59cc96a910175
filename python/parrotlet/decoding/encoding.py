"""Text to token ids, as the library that trained the vocabulary does it.

A SentencePiece model encodes with the SentencePiece library itself, given a model that is rebuilt
from the metadata of the GGUF file; labels are looked up.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from parrotlet.errors import ModelFileError

ALGORITHMS = {"unigram": 1, "bpe": 2, "word": 3, "char": 4}
"""What a text is cut into pieces by; SentencePiece's `TrainerSpec.ModelType`."""

_PREFIX = "tokenizer.ggml."
_UNKNOWN, _BYTE = 2, 6  # types of pieces


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

    def entries(self) -> list[tuple[str, str, Any]]:
        """(key, kind, value) of each, as GGUF has them; an empty map is left out."""
        flags = (
            "add_space_prefix",
            "remove_extra_whitespaces",
            "escape_whitespaces",
            "whitespace_as_suffix",
        )
        return [
            (_PREFIX + "algorithm", "str", self.algorithm),
            (_PREFIX + "precompiled_charsmap", "u8[]", self.charsmap),
            *((_PREFIX + name, "bool", getattr(self, name)) for name in flags),
        ]

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], path: str) -> SentencePieceSettings | None:
        """Read what `entries` wrote; None for a file that says nothing of encoding.

        Raises ModelFileError for values that make no sense.
        """
        found: dict[str, Any] = {}
        for key, _, default in cls("bpe").entries():
            value = metadata.get(key, default)
            if not isinstance(value, type(default)):
                raise ModelFileError(
                    f"{path}: {key} is {value!r:.40}; expected {type(default).__name__}; "
                    "convert the checkpoint again"
                )
            found[key.removeprefix(_PREFIX)] = value
        if _PREFIX + "algorithm" not in metadata:
            return None
        if found["algorithm"] not in ALGORITHMS:
            raise ModelFileError(
                f"{path}: {_PREFIX}algorithm is {found['algorithm']!r:.40}; expected one of "
                f"{', '.join(ALGORITHMS)}; convert the checkpoint again"
            )
        return cls(charsmap=found.pop("precompiled_charsmap"), **found)


class SentencePieceEncoder:
    """Encodes with the SentencePiece library; made for one vocabulary, used from any thread."""

    def __init__(
        self,
        pieces: Sequence[str],
        scores: Sequence[float],
        types: Sequence[int],
        settings: SentencePieceSettings,
        path: str,
    ) -> None:
        """Keep the vocabulary of the file `path`: pieces, scores and `TokenType` values by id."""
        self._vocabulary = tuple(zip(pieces, scores, types, strict=True))
        self._settings = settings
        self._path = path

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text. Raises ModelFileError for an impossible vocabulary."""
        return self._encode(texts)

    @cached_property
    def _encode(self) -> Callable[[Sequence[str]], list[list[int]]]:
        # Loaded when it is first needed: plain transcription needs no encoder.
        from sentencepiece import SentencePieceProcessor

        processor = SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(model_proto(self._vocabulary, self._settings))
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFileError(
                f"{self._path}: its vocabulary cannot encode text ({error}); convert the "
                "checkpoint again"
            ) from error
        encode: Callable[[list[str]], list[list[int]]] = processor.encode
        return lambda texts: encode(list(texts))


class LabelEncoder:
    """Looks up labels, the longest that fits first."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Keep the labels by id."""
        self._ids: dict[str, int] = {}
        for token, label in enumerate(labels):
            self._ids.setdefault(label, token)
        self._ids.pop("", None)
        self._longest = max(map(len, self._ids), default=1)

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text. Raises ValueError that names what has no label."""
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> list[int]:
        ids, start = [], 0
        while start < len(text):
            for end in range(min(start + self._longest, len(text)), start, -1):
                token = self._ids.get(text[start:end])
                if token is not None:
                    ids.append(token)
                    start = end
                    break
            else:
                raise ValueError(f"the vocabulary has no label for {text[start]!r}")
        return ids


def model_proto(
    vocabulary: Sequence[tuple[str, float, int]], settings: SentencePieceSettings
) -> bytes:
    """Serialise a `sentencepiece.ModelProto` of (piece, score, type) and settings.

    Source of the field numbers: SentencePiece `sentencepiece_model.proto`.
    """
    pieces = (
        _field(1, piece.encode()) + _field(2, score) + _field(3, kind)
        for piece, score, kind in vocabulary
    )
    unknown = next((i for i, (_, _, kind) in enumerate(vocabulary) if kind == _UNKNOWN), 0)
    trainer = (
        _field(3, ALGORITHMS[settings.algorithm])
        + _field(24, settings.whitespace_as_suffix)
        + _field(35, any(kind == _BYTE for _, _, kind in vocabulary))
        + _field(40, unknown)
        + (_field(45, vocabulary[unknown][0].encode()) if vocabulary else b"")
    )
    normalizer = (
        _field(2, settings.charsmap)
        + _field(3, settings.add_space_prefix)
        + _field(4, settings.remove_extra_whitespaces)
        + _field(5, settings.escape_whitespaces)
    )
    return (
        b"".join(_field(1, piece) for piece in pieces) + _field(2, trainer) + _field(3, normalizer)
    )


def _field(number: int, value: bytes | float | int) -> bytes:
    """One field of a protocol buffer: bytes, a float32, or a number from 0 up."""
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    return _varint(number << 3) + _varint(int(value))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
