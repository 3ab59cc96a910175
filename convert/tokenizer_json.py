"""The vocabulary in a `tokenizer.json` of Hugging Face `tokenizers`.

Models that were converted from NeMo keep their SentencePiece pieces there, as a BPE or a unigram
model, and their normalisation where it is more than spaces.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import CheckpointError, UnsupportedModelError
from ..sentencepiece_settings import SentencePieceSettings, is_score
from .tokenizer import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, Vocabulary

FILE = "tokenizer.json"

# Steps of a decoder that together turn pieces into text as SentencePiece does.
_DECODERS = {"Sequence", "Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"}
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def parse_tokenizer(values: Mapping[str, Any], size: int) -> Vocabulary:
    """The first `size` tokens; those after them are the blank and padding.

    Raises CheckpointError if one is missing or the file is damaged, UnsupportedModelError if its
    pieces are not SentencePiece's.
    """
    model = _mapping(values, "model")
    _check_decoder(values.get("decoder"))
    pieces: dict[int, tuple[str, float]] = {}
    added = list(_added(values))
    for token, piece, score in _pieces(model, {token for token, _, _ in added}):
        pieces[token] = piece, score
    kinds = dict.fromkeys(pieces, NORMAL)
    for token, piece, special in added:
        pieces.setdefault(token, (piece, 0.0))
        kinds[token] = CONTROL if special else USER_DEFINED
    fallback = model.get("byte_fallback") is True
    unknown = model.get("unk_token", model.get("unk_id"))
    for token, (piece, _) in pieces.items():
        if unknown in (token, piece) and unknown is not None:
            kinds[token] = UNKNOWN
        elif fallback and _BYTE.fullmatch(piece):
            kinds[token] = BYTE
    missing = next((token for token in range(size) if token not in pieces), None)
    if missing is not None:
        raise CheckpointError(f"{FILE} has no token {missing}, of {size} that the model has")
    tokens, scores = zip(*(pieces[token] for token in range(size)), strict=True)
    types = tuple(kinds[token] for token in range(size))
    return Vocabulary("spm", tokens, scores, types, _settings(values, str(model.get("type"))))


def _settings(values: Mapping[str, Any], kind: str) -> SentencePieceSettings | None:
    """How text is cut; None where the file normalises it by means that SentencePiece lacks.

    Spaces are squeezed as the SentencePiece models do from which such files are made, although
    their conversion to this format drops that.
    """
    charsmap = b""
    for step in _steps(values.get("normalizer"), "normalizers"):
        if step.get("type") == "Precompiled":
            charsmap = _base64(step.get("precompiled_charsmap"))
        elif step.get("type") not in ("Replace", "Strip", "Prepend"):
            return None
    splits = _steps(values.get("pre_tokenizer"), "pretokenizers")
    metaspaces = [step for step in splits if step.get("type") == "Metaspace"]
    prefix = not any(step.get("prepend_scheme") == "never" for step in metaspaces)
    return SentencePieceSettings(kind.lower(), charsmap, add_space_prefix=prefix)


def _steps(value: Any, key: str) -> list[Mapping[str, Any]]:
    """What a normaliser or a pre-tokeniser consists of, in order."""
    if isinstance(value, dict) and value.get("type") == "Sequence":
        value = value.get(key)
    steps = value if isinstance(value, list) else [value]
    return [step for step in steps if isinstance(step, dict)]


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError(f"{FILE}: precompiled_charsmap is no base64 ({error})") from error


def _pieces(model: Mapping[str, Any], added: Collection[int]) -> Iterator[tuple[int, str, float]]:
    """(id, piece, score) of the vocabulary; those of `added` tokens are no result of merges."""
    kind, vocab = model.get("type"), model.get("vocab")
    if kind == "Unigram" and isinstance(vocab, list):
        for token, entry in enumerate(vocab):
            if not isinstance(entry, list) or len(entry) != 2 or not is_score(entry[1]):
                raise CheckpointError(f"{FILE}: entry {token} of the vocabulary makes no sense")
            yield token, _text(entry[0]), float(entry[1])
    elif kind == "BPE" and isinstance(vocab, dict):
        pieces = sorted((_index(token), _text(piece)) for piece, token in vocab.items())
        scores = _bpe_scores(model.get("merges", []))
        for token, piece in pieces:
            ranked = piece != model.get("unk_token") and not _BYTE.fullmatch(piece)
            if ranked and token not in added:
                scores.setdefault(piece, -float(len(scores)))
            yield token, piece, scores.get(piece, 0.0)
    else:
        raise UnsupportedModelError(
            f"{FILE} holds a model of type {kind!r:.40}; supported are BPE and Unigram, which "
            "SentencePiece models become"
        )


def _bpe_scores(merges: Any) -> dict[str, float]:
    """What SentencePiece has as the scores of a BPE model: pieces in the order of their merges,
    from 0 down; single characters, which no merge makes, come after them."""
    if not isinstance(merges, list):
        raise CheckpointError(f"{FILE}: merges must be a list")
    scores: dict[str, float] = {}
    for merge in merges:
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(parts, list) or len(parts) != 2:
            raise CheckpointError(f"{FILE}: a merge is not a pair of pieces")
        scores.setdefault(_text(parts[0]) + _text(parts[1]), -float(len(scores)))
    return scores


def _added(values: Mapping[str, Any]) -> Iterator[tuple[int, str, bool]]:
    """(id, text, whether it is a marker and no text) of tokens beside the model's own."""
    added = values.get("added_tokens") or []
    if not isinstance(added, list):
        raise CheckpointError(f"{FILE}: added_tokens must be a list")
    for entry in added:
        if not isinstance(entry, dict):
            raise CheckpointError(f"{FILE}: an added token is not an object")
        yield _index(entry.get("id")), _text(entry.get("content")), entry.get("special") is True


def _check_decoder(decoder: Any) -> None:
    """UnsupportedModelError unless a sign for spaces (U+2581) is all that the pieces need."""
    steps = decoder
    if isinstance(decoder, dict) and decoder.get("type") == "Sequence":
        steps = decoder.get("decoders")
    if not isinstance(steps, list):
        steps = [steps]
    names = [step.get("type") if isinstance(step, dict) else step for step in steps]
    if not {"Metaspace", "Replace"} & set(map(str, names)) or not set(map(str, names)) <= _DECODERS:
        raise UnsupportedModelError(
            f"{FILE} decodes with {', '.join(map(str, names)):.80}; supported are the decoders of "
            "SentencePiece models (Metaspace, or Replace with ByteFallback)"
        )


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    if not isinstance(value, dict):
        raise CheckpointError(f"{FILE} has no {key}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise CheckpointError(f"{FILE}: a token is not a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CheckpointError(f"{FILE}: a token is not valid text") from error
    return value


def _index(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise CheckpointError(f"{FILE}: the index of a token makes no sense")
    return value
