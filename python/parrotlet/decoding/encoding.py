"""Text to token ids, as the library that trained the vocabulary does it.

A SentencePiece model encodes with the SentencePiece library itself, given a model that is rebuilt
from the metadata of the GGUF file; labels are looked up.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cached_property

from parrotlet.errors import ModelFileError
from parrotlet.sentencepiece_settings import ALGORITHMS, SentencePieceSettings

_UNKNOWN, _BYTE = 2, 6  # types of pieces


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
            found = self.longest(text, start)
            if found is None:
                raise ValueError(f"the vocabulary has no label for {text[start]!r}")
            token, start = found
            ids.append(token)
        return ids

    def longest(self, text: str, start: int) -> tuple[int, int] | None:
        """The token of the longest label that `text` has at `start`, and where it ends."""
        for end in range(min(start + self._longest, len(text)), start, -1):
            token = self._ids.get(text[start:end])
            if token is not None:
                return token, end
        return None


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
