"""The vocabulary of a checkpoint: SentencePiece, WordPiece, or a list of labels.

A SentencePiece model is a protocol buffer (`sentencepiece_model.proto`): pieces, and the settings
that encoding needs beside them. Reading it takes no library and trusts no length.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..architectures.configured import Configured
from ..architectures.keys import Section
from ..errors import CheckpointError, UnsupportedModelError
from ..sentencepiece_settings import ALGORITHMS, SentencePieceSettings, is_score
from .tokenizer_files import TokenizerFiles

# SentencePiece's types of pieces; GGUF uses the same numbers.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Vocabulary:
    """`model` "spm" (pieces, "\u2581" for a space), "agg" (the same of several languages), "wpm"
    (pieces, "##" where none is), "char" or "plain" (labels, the former joined as NeMo does); the
    blank is not among the tokens. `settings` are for encoding, of "spm" only; `languages` are those
    of "agg" by name, in the order of their tokens."""

    model: str
    tokens: tuple[str, ...]
    scores: tuple[float, ...]
    types: tuple[int, ...]
    settings: SentencePieceSettings | None = None
    languages: tuple[tuple[str, Vocabulary], ...] = ()


def read_tokenizer(
    files: TokenizerFiles, values: dict[str, Any], config: Configured[Any]
) -> Vocabulary:
    """The tokenizer of a checkpoint whose configuration is `values`.

    Raises CheckpointError if it is missing, damaged, or of another size than the configuration
    states for a head, UnsupportedModelError for a tokenizer of another kind.
    """
    root = Section(values)
    if config.subword:
        tokenizer = _subwords(files, root.section("tokenizer"))
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


def _subwords(files: TokenizerFiles, section: Section) -> Vocabulary:
    """NeMo's ASRBPEMixin._setup_tokenizer: one vocabulary, or one for each of several languages."""
    if "custom_tokenizer" in section:
        raise UnsupportedModelError(
            f"{section.name('custom_tokenizer')} names a class; supported are the types 'bpe', "
            "'wpe' and 'agg' without one"
        )
    kind = section.text("type").lower()
    if kind == "bpe":
        return _sentencepiece(files, section)
    if kind == "wpe":
        name = _file(files, section, "vocab_path", "vocab.txt")
        return parse_wordpiece(files.small_file(name))
    if kind == "agg":
        return _aggregate(files, section.section("langs"))
    raise UnsupportedModelError(
        f"{section.name('type')} is {kind!r}; supported are 'bpe', a SentencePiece model, 'wpe', a "
        "WordPiece vocabulary, and 'agg', SentencePiece models of several languages"
    )


def _sentencepiece(files: TokenizerFiles, section: Section, folder: str = "") -> Vocabulary:
    name = _file(files, section, "model_path", "tokenizer.model", folder)
    return parse_sentencepiece(files.small_file(name))


def _aggregate(files: TokenizerFiles, languages: Section) -> Vocabulary:
    """AggregateTokenizer: the vocabularies of all languages, one after the other."""
    parts = []
    for name in languages.values:
        section = languages.section(str(name))
        kind = section.text("type").lower()
        if kind != "bpe":
            raise UnsupportedModelError(
                f"{section.name('type')} is {kind!r}; of several languages only 'bpe', "
                "SentencePiece models, are supported"
            )
        parts.append((str(name), _sentencepiece(files, section, str(name))))
    if not parts:
        raise CheckpointError(f"model_config.yaml: {languages.name('')[:-1]} lists no language")
    tokens = tuple(token for _, part in parts for token in part.tokens)
    scores = tuple(score for _, part in parts for score in part.scores)
    types = tuple(kind for _, part in parts for kind in part.types)
    return Vocabulary("agg", tokens, scores, types, languages=tuple(parts))


def _file(files: TokenizerFiles, section: Section, key: str, usual: str, folder: str = "") -> str:
    """The name of a file: "nemo:<hash>_<usual>" in archives, or a plain old name.

    Languages may have a `folder` each.
    """
    named = section.text(key, usual).removeprefix("nemo:")
    base = named.replace("\\", "/").rpartition("/")[2]
    for name in (f"{folder}/{base}", f"{folder}/{usual}", base, usual):
        if name in files.names:
            return name
    candidates = [name for name in files.names if name.endswith(usual)]
    if len(candidates) == 1:
        return candidates[0]
    return base  # missing: reading it says so


def parse_wordpiece(data: bytes) -> Vocabulary:
    """The pieces of a WordPiece vocabulary, one a line.

    Raises CheckpointError if it is no such text, or has a piece twice.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"the WordPiece vocabulary is no UTF-8 ({error})") from error
    tokens = re.split("\r\n|\r|\n", text)
    if not tokens[-1]:
        tokens.pop()
    if not tokens:
        raise CheckpointError("the WordPiece vocabulary is empty")
    seen: set[str] = set()
    for line, token in enumerate(tokens, 1):
        if not token or token in seen or "\0" in token:
            raise CheckpointError(
                f"the WordPiece vocabulary is damaged: line {line} is {token!r:.40}, which is "
                "empty or was there before"
            )
        seen.add(token)
    kinds = {"[UNK]": UNKNOWN} | dict.fromkeys(("[PAD]", "[CLS]", "[SEP]", "[MASK]"), CONTROL)
    types = tuple(kinds.get(token, NORMAL) for token in tokens)
    return Vocabulary("wpm", tuple(tokens), (0.0,) * len(tokens), types)


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
