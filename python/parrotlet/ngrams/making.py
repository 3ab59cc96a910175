"""From files of text to a language model for one model's tokens."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from parrotlet import _core
from parrotlet.decoding.alphabet import Alphabet
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.errors import LanguageModelError
from parrotlet.ngrams.arpa import write_arpa
from parrotlet.ngrams.counting import MAX_TOKENS, Indices, count_ngrams
from parrotlet.ngrams.kneser_ney import estimate
from parrotlet.progress import ShareProgress

MAX_LINE_BYTES = 1 << 20
_LINES = 4096
_MAX_VOCABULARY = 0xD800 - _core.decoding.TOKEN_OFFSET  # characters that UTF-8 can write


@dataclass(frozen=True)
class LanguageModelReport:
    """What a language model was made of, and how large it is.

    `counts` are the n-grams of each order, `fallbacks` the orders whose discounts are lmplz's
    fallback, `unknown` how many of the `tokens` stand for what the vocabulary cannot write.
    """

    path: Path
    sentences: int
    tokens: int
    unknown: int
    counts: tuple[int, ...]
    fallbacks: tuple[int, ...]


def make_language_model(
    texts: Sequence[str | os.PathLike[str]],
    tokenizer: Tokenizer,
    out: str | os.PathLike[str],
    order: int = 4,
    prune: Sequence[int] = (0,),
    progress: ShareProgress | None = None,
) -> LanguageModelReport:
    """Write a token n-gram model of UTF-8 texts, one sentence a line, to the ARPA file `out`.

    Sentences are fitted to the vocabulary (`Alphabet.fit`) and encoded with its tokenizer.
    `prune` gives thresholds for the orders from 1 up, as lmplz takes them; the last counts for all
    higher orders. An n-gram that is as often in the text as its threshold, or less, is left out. An
    empty line is no sentence.

    Raises LanguageModelError for texts that cannot be read or hold no sentence and for an output
    that cannot be written, ValueError for an order or thresholds that make no sense.
    """
    thresholds = check_options(order, prune)
    size = len(tokenizer.pieces)
    if size > _MAX_VOCABULARY:
        raise LanguageModelError(
            f"a vocabulary of {size} tokens does not fit into characters; NeMo's files have up to "
            f"{_MAX_VOCABULARY}"
        )
    path = Path(out)
    _check_output(path, texts)
    report = progress or (lambda part, work: None)
    tokens, sentences = _encoded(texts, tokenizer, lambda part: report(0.4 * part, "reading"))
    orders = count_ngrams(
        tokens, size, order, lambda n: report(0.4 + 0.4 * n / order, f"counting {n}-grams")
    )
    unknown = (
        int(np.count_nonzero(tokens == tokenizer.unknown)) if tokenizer.unknown is not None else 0
    )
    total = len(tokens) - 2 * sentences
    del tokens
    estimated, probability = estimate(orders, thresholds, size, size + 1)
    write_arpa(path, estimated, probability, size, lambda part: report(0.8 + 0.2 * part, "writing"))
    return LanguageModelReport(
        path,
        sentences,
        total,
        unknown,
        tuple(int(np.count_nonzero(e.kept)) for e in estimated),
        tuple(n for n, e in enumerate(estimated, 1) if e.is_fallback),
    )


def _check_output(path: Path, texts: Sequence[str | os.PathLike[str]]) -> None:
    """Find out before the work what would make writing fail after it."""
    if not path.parent.is_dir():
        raise LanguageModelError(f"{path}: the folder {path.parent} does not exist; create it")
    if path.exists() and not path.is_file():
        raise LanguageModelError(f"{path}: is no regular file and will not be replaced")
    if path.exists() and any(Path(text).exists() and path.samefile(text) for text in texts):
        raise LanguageModelError(f"{path}: is one of the texts itself; give another name")


def check_options(order: int, prune: Sequence[int]) -> list[int]:
    """Return the threshold of each order; raises ValueError for what makes no sense."""
    if not 2 <= order <= _core.decoding.MAX_ORDER:
        raise ValueError(f"order is {order}; expected 2 to {_core.decoding.MAX_ORDER}")
    thresholds = [*prune, *[prune[-1]] * order][:order] if prune else []
    if not thresholds or len(prune) > order or thresholds[0] < 0:
        raise ValueError(f"prune has {len(prune)} thresholds for an order of {order}")
    if thresholds != sorted(thresholds):
        raise ValueError(f"the thresholds {', '.join(map(str, prune))} must not fall")
    return thresholds


def _encoded(
    texts: Sequence[str | os.PathLike[str]], tokenizer: Tokenizer, progress: Callable[[float], None]
) -> tuple[Indices, int]:
    """All sentences as tokens, and how many. <s> is the vocabulary's size, </s> one more."""
    begin, end = len(tokenizer.pieces), len(tokenizer.pieces) + 1
    alphabet = Alphabet(tokenizer)
    tokens, sentences = array("i"), 0
    lines = _lines(texts, progress)
    while chunk := list(islice(lines, _LINES)):
        for ids in _encode([alphabet.fit(line) for line in chunk], tokenizer, alphabet):
            if ids:
                tokens.append(begin)
                tokens.extend(ids)
                tokens.append(end)
                sentences += 1
        if len(tokens) > MAX_TOKENS:
            raise LanguageModelError("the texts have more than 2 billion tokens; take a part")
    if not sentences:
        names = ", ".join(os.fspath(text) for text in texts)
        raise LanguageModelError(f"{names}: holds no sentence; write one a line")
    return np.frombuffer(tokens, np.int32), sentences


def _encode(lines: list[str], tokenizer: Tokenizer, alphabet: Alphabet) -> list[list[int]]:
    """Encode; labels that can stand for nothing unknown leave out what they lack."""
    if tokenizer.unknown is None:
        lines = ["".join(c for c in line if c in alphabet.characters) for line in lines]
    return tokenizer.encode_all(lines)


def _lines(
    texts: Sequence[str | os.PathLike[str]], progress: Callable[[float], None]
) -> Iterator[str]:
    sizes = [_size(os.fspath(text)) for text in texts]
    before, total = 0, max(sum(sizes), 1)
    for text, size in zip(texts, sizes, strict=True):
        name = os.fspath(text)
        read = 0
        try:
            with Path(name).open("rb") as file:
                number = 0
                while line := file.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    yield _decoded(line, f"{name}, line {number}")
                    read += len(line)
                    if number % _LINES == 0:
                        progress((before + read) / total)
        except OSError as error:
            raise _unreadable(name, error) from error
        before += size


def _decoded(line: bytes, place: str) -> str:
    if len(line) > MAX_LINE_BYTES:
        raise LanguageModelError(
            f"{place}: is longer than {MAX_LINE_BYTES >> 20} MB; write one sentence a line"
        )
    try:
        return line.decode("utf-8").lstrip("\ufeff").strip().replace("\0", " ")
    except UnicodeDecodeError as error:
        raise LanguageModelError(
            f"{place}: is no UTF-8 ({error.reason}); save the file as UTF-8"
        ) from error


def _size(name: str) -> int:
    path = Path(name)
    if path.exists() and not path.is_file():
        raise LanguageModelError(f"{name}: is no regular file; give a text, one sentence a line")
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError) -> LanguageModelError:
    return LanguageModelError(f"{name}: cannot be read ({error.strerror or error}); check the path")
