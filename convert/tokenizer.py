"""The vocabulary of a checkpoint: a SentencePiece model or a list of labels.

A SentencePiece model is a protocol buffer (`sentencepiece_model.proto`): pieces, and the settings
that encoding needs beside them. Reading it takes no library and trusts no length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..architectures.configured import Configured
from ..architectures.keys import Section
from ..errors import CheckpointError, UnsupportedModelError
from ..sentencepiece_settings import ALGORITHMS, SentencePieceSettings, is_score
from .archive import NemoArchive

# SentencePiece's types of pieces; GGUF uses the same numbers.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Vocabulary:
    """`model` "spm" (pieces, "\u2581" for a space), "char" or "plain" (labels, the former joined as
    NeMo does); the blank is not among the tokens. `settings` are for encoding, of "spm" only."""

    model: str
    tokens: tuple[str, ...]
    scores: tuple[float, ...]
    types: tuple[int, ...]
    settings: SentencePieceSettings | None = None


def read_tokenizer(
    archive: NemoArchive, values: dict[str, Any], config: Configured[Any]
) -> Vocabulary:
    """The tokenizer of a checkpoint whose configuration is `values`.

    Raises CheckpointError if it is missing, damaged, or of another size than the configuration
    states for a head, UnsupportedModelError for tokenizers other than SentencePiece.
    """
    root = Section(values)
    if config.subword:
        tokenizer = _sentencepiece(archive, root.section("tokenizer"))
    else:
        tokenizer = _labels(root, config)
    for key, size in config.vocab_sizes:
        if size != len(tokenizer.tokens):
            raise CheckpointError(
                f"model_config.yaml: {key} is {size}, but the tokenizer has "
                f"{len(tokenizer.tokens)} tokens"
            )
    return tokenizer


def _labels(root: Section, config: Configured[Any]) -> Vocabulary:
    """Characters, from where NeMo's own classes take them."""
    if config.sizes.heads == ("ctc",) and root.section("decoder").value("vocabulary", None):
        section, key = root.section("decoder"), "vocabulary"
    else:
        section, key = root, "labels"
    labels = section.items(key)
    if not labels or not all(isinstance(label, str) for label in labels):
        raise CheckpointError(f"model_config.yaml: {section.name(key)} must be a list of texts")
    return labels_only("char", labels)


def labels_only(model: str, labels: Sequence[str]) -> Vocabulary:
    """A vocabulary of labels without scores."""
    return Vocabulary(model, tuple(labels), (0.0,) * len(labels), (NORMAL,) * len(labels))


def _sentencepiece(archive: NemoArchive, section: Section) -> Vocabulary:
    kind = section.text("type").lower()
    if kind != "bpe" or "custom_tokenizer" in section:
        raise UnsupportedModelError(
            f"{section.name('type')} is {kind!r}"
            + (" with a custom class" if "custom_tokenizer" in section else "")
            + "; supported is 'bpe', a SentencePiece model"
        )
    return parse_sentencepiece(archive.small_file(_model_file(archive, section)))


def _model_file(archive: NemoArchive, section: Section) -> str:
    """The member that holds the model: "nemo:<hash>_tokenizer.model", or a plain old name."""
    named = section.text("model_path", "tokenizer.model").removeprefix("nemo:")
    base = named.replace("\\", "/").rpartition("/")[2]
    if base in archive.members:
        return base
    candidates = [name for name in archive.members if name.endswith("tokenizer.model")]
    if len(candidates) == 1:
        return candidates[0]
    return base  # missing: reading it says so


# The protocol buffer ------------------------------------------------------------------------


def parse_sentencepiece(data: bytes) -> Vocabulary:
    """The pieces and settings of a serialised SentencePiece ModelProto.

    Raises CheckpointError if it is damaged.
    """
    pieces, trainer, normalizer = [], b"", b""
    try:
        for field, value in _fields(data):
            if field == 1:
                pieces.append(_piece(value))
            elif field == 2:
                trainer = _message(value, "trainer_spec")
            elif field == 3:
                normalizer = _message(value, "normalizer_spec")
        settings = _settings(dict(_fields(trainer)), dict(_fields(normalizer)))
    except (UnicodeDecodeError, struct.error) as error:
        raise CheckpointError(f"the SentencePiece model is damaged ({error})") from error
    if not pieces:
        raise CheckpointError("the SentencePiece model has no pieces")
    tokens, scores, types = zip(*pieces, strict=True)
    return Vocabulary("spm", tokens, scores, types, settings)


def _settings(trainer: dict[int, Any], normalizer: dict[int, Any]) -> SentencePieceSettings:
    """TrainerSpec: model_type = 3 (unigram if left out), treat_whitespace_as_suffix = 24.

    NormalizerSpec: precompiled_charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4,
    escape_whitespaces = 5 (the flags are true if left out).
    """
    algorithms = {number: name for name, number in ALGORITHMS.items()}
    algorithm = algorithms.get(trainer.get(3, ALGORITHMS["unigram"]))
    if algorithm is None:
        raise CheckpointError(
            f"the SentencePiece model is damaged (its model type is {trainer[3]!r:.40})"
        )
    return SentencePieceSettings(
        algorithm,
        _message(normalizer.get(2, b""), "precompiled_charsmap"),
        bool(normalizer.get(3, True)),
        bool(normalizer.get(4, True)),
        bool(normalizer.get(5, True)),
        bool(trainer.get(24, False)),
    )


def _message(value: Any, name: str) -> bytes:
    if not isinstance(value, bytes):
        raise CheckpointError(f"the SentencePiece model is damaged ({name} is no message)")
    return value


def _piece(message: Any) -> tuple[str, float, int]:
    """ModelProto.SentencePiece: piece = 1, score = 2, type = 3 (NORMAL if left out)."""
    piece: Any = b""
    score: Any = 0.0
    kind: Any = NORMAL
    for field, value in _fields(_message(message, "a piece")):
        if field == 1:
            piece = value
        elif field == 2:
            score = value
        elif field == 3:
            kind = value
    valid = isinstance(piece, bytes) and is_score(score)
    if not valid or kind not in range(NORMAL, BYTE + 1):
        raise CheckpointError("the SentencePiece model is damaged (a piece makes no sense)")
    return piece.decode("utf-8"), float(score), kind


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int | float]]:
    """(field number, value) of a message: bytes, a varint, or a float."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        value: bytes | int | float
        if wire == _VARINT:
            value, position = _varint(data, position)
        elif wire == _BYTES:
            size, position = _varint(data, position)
            value = data[position : position + size]
            if len(value) != size:
                raise CheckpointError("the SentencePiece model is cut short")
            position += size
        elif wire == _FIXED32:
            value = float(struct.unpack_from("<f", data, position)[0])
            position += 4
        elif wire == _FIXED64:
            value = float(struct.unpack_from("<d", data, position)[0])
            position += 8
        else:
            raise CheckpointError("the SentencePiece model is damaged (an unknown wire type)")
        yield tag >> 3, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise CheckpointError("the SentencePiece model is cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise CheckpointError("the SentencePiece model is damaged (an endless number)")
