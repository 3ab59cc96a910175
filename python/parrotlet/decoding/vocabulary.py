"""The tokenizer that the metadata of a model file describes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from parrotlet.decoding.aggregate import AggregateTokenizer
from parrotlet.decoding.encoding import SentencePieceEncoder
from parrotlet.decoding.tokenizer import (
    CharTokenizer,
    PlainTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    TokenType,
)
from parrotlet.decoding.wordpiece import WordPieceTokenizer
from parrotlet.errors import ModelFileError
from parrotlet.sentencepiece_settings import (
    PREFIX,
    SentencePieceSettings,
    is_score,
    language_prefix,
)

_TOKEN_TYPES = frozenset(TokenType)

PIECES_ALONE: dict[Any, type[CharTokenizer] | type[WordPieceTokenizer]] = {
    "char": CharTokenizer,
    "plain": PlainTokenizer,
    "wpm": WordPieceTokenizer,
}
"""Tokenizers that know nothing but the pieces, by `tokenizer.ggml.model`."""


def tokenizer_from_metadata(metadata: Mapping[str, Any], path: str) -> Tokenizer:
    """Build the tokenizer that the metadata of the GGUF file `path` describes.

    Raises ModelFileError where the entries are missing or contradict each other.
    """
    kind = metadata.get("tokenizer.ggml.model")
    pieces = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(pieces, list) or not pieces or not all(isinstance(p, str) for p in pieces):
        raise ModelFileError(
            f"{path}: tokenizer.ggml.tokens is missing or no list of strings; "
            "convert the checkpoint again"
        )
    if isinstance(kind, str) and kind in PIECES_ALONE:
        return PIECES_ALONE[kind](pieces)
    if kind not in ("spm", "agg"):
        known = ", ".join(map(repr, ("spm", "agg", *PIECES_ALONE)))
        raise ModelFileError(
            f"{path}: tokenizer.ggml.model is {kind!r}; this version reads {known}"
        )
    _check_types(metadata, pieces, path)
    if kind == "agg":
        return _aggregate(metadata, path)
    return _sentencepiece(metadata, slice(len(pieces)), path)


def _check_types(metadata: Mapping[str, Any], pieces: Sequence[str], path: str) -> None:
    types = metadata.get("tokenizer.ggml.token_type")
    if (
        not isinstance(types, list)
        or len(types) != len(pieces)
        or not all(isinstance(kind, int) and kind in _TOKEN_TYPES for kind in types)
    ):
        raise ModelFileError(
            f"{path}: tokenizer.ggml.token_type does not have one type for each of the "
            f"{len(pieces)} tokens; convert the checkpoint again"
        )
    for token, (piece, value) in enumerate(zip(pieces, types, strict=True)):
        if value == TokenType.BYTE and not re.fullmatch(r"<0x[0-9A-Fa-f]{2}>", piece):
            raise ModelFileError(f"{path}: token {token} is marked as a byte but is {piece!r}")


def _sentencepiece(
    metadata: Mapping[str, Any], part: slice, path: str, prefix: str = PREFIX
) -> SentencePieceTokenizer:
    """Some tokens of a file; `prefix` is that of the keys of their settings."""
    pieces = metadata["tokenizer.ggml.tokens"][part]
    types = metadata["tokenizer.ggml.token_type"][part]
    settings = SentencePieceSettings.from_metadata(metadata, path, prefix)
    if settings is None:
        return SentencePieceTokenizer(pieces, types, path=path)
    scores = _scores(metadata, path)[part]
    return SentencePieceTokenizer(
        pieces,
        types,
        settings.add_space_prefix,
        settings.remove_extra_whitespaces,
        SentencePieceEncoder(pieces, scores, types, settings, path),
        path,
    )


def _scores(metadata: Mapping[str, Any], path: str) -> list[float]:
    scores = metadata.get("tokenizer.ggml.scores")
    size = len(metadata["tokenizer.ggml.tokens"])
    if not isinstance(scores, list) or len(scores) != size or not all(map(is_score, scores)):
        raise ModelFileError(
            f"{path}: tokenizer.ggml.scores does not have one number for each of the {size} "
            "tokens; convert the checkpoint again"
        )
    return list(map(float, scores))


def _aggregate(metadata: Mapping[str, Any], path: str) -> AggregateTokenizer:
    """The vocabularies of the languages that a file lists, each with settings of its own."""
    names = metadata.get("tokenizer.ggml.languages")
    sizes = metadata.get("tokenizer.ggml.language_sizes")
    total = len(metadata["tokenizer.ggml.tokens"])
    if (
        not (isinstance(names, list) and isinstance(sizes, list) and len(names) == len(sizes))
        or not all(isinstance(name, str) for name in names)
        or not all(type(size) is int and size > 0 for size in sizes)
        or sum(sizes) != total
    ):
        raise ModelFileError(
            f"{path}: tokenizer.ggml.languages and language_sizes do not divide the {total} tokens "
            "among languages; convert the checkpoint again"
        )
    languages, first = [], 0
    for place, (name, size) in enumerate(zip(names, sizes, strict=True)):
        part = slice(first, first + size)
        languages.append((name, _sentencepiece(metadata, part, path, language_prefix(place))))
        first += size
    return AggregateTokenizer(languages, path)
