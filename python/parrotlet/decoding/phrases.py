"""Phrases that a search prefers: names, terms, commands.

Source: NeMo's boosting tree (`context_biasing.boosting_graph_batched.BoostingTreeModelConfig`).
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from parrotlet import _core
from parrotlet.decoding.alphabet import Alphabet
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.errors import PhrasesError

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Largest file of phrases: some 500,000 of them."""

_LARGEST = 3.4028234e38
"""The largest finite number of 32 bits, nearly."""

Entry = tuple[str, float | None]
"""A phrase, and its score or None for the score of all."""

_SHOWN = 5


@dataclass(frozen=True)
class Phrases:
    """Phrases with the scores of their tokens.

    `phrases` are strings or (phrase, score), tokenised as they are written. A phrase's score, by
    default `score`, is what its first token gets; NeMo's context_score. The i-th token from 0 gets
    score * `depth_scaling` + ln(i + 1), or `score` with `uniform_weights`. `score_per_phrase`, if
    not 0, is divided by the characters of a phrase and takes the place of `score`.
    `unknown_score` is added for a token that belongs to no phrase. `variants` adds the spellings
    that differ in case and punctuation, where the vocabulary has them.

    Raises PhrasesError for an empty phrase and for numbers that are not from -1e6 to 1e6.
    """

    phrases: Iterable[str | tuple[str, float | None]]
    score: float = 1.0
    depth_scaling: float = 2.0
    unknown_score: float = 0.0
    score_per_phrase: float = 0.0
    uniform_weights: bool = False
    variants: bool = False

    def __post_init__(self) -> None:
        """Check, and keep each phrase as (phrase, score or None)."""
        if isinstance(self.phrases, str):
            raise PhrasesError(f"phrases is the text {self.phrases!r:.40}; give a list of texts")
        entries = tuple(_entry(given) for given in self.phrases)
        object.__setattr__(self, "phrases", entries)
        for name in ("score", "depth_scaling", "unknown_score", "score_per_phrase"):
            _check_number(getattr(self, name), name)

    def __len__(self) -> int:
        """How many phrases there are, without variants."""
        return len(self.entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Each phrase with its own score, or None."""
        return tuple(entry for entry in self.phrases if isinstance(entry, tuple))

    def scorer(self, tokenizer: Tokenizer) -> _core.decoding.PhraseTree:
        """Build the boosting tree for a vocabulary.

        A phrase with characters that the vocabulary lacks is boosted as NeMo does it, with its
        token for the unknown, and a UserWarning names it; without such a token it is a
        PhrasesError. So is a phrase that is no token at all, or too many.
        """
        entries = self._spellings(tokenizer) if self.variants else dict(self.entries)
        encoded = _encode(tuple(entries), tokenizer)
        unknown = tokenizer.unknown
        unwritten = [p for p, ways in zip(entries, encoded, strict=True) if unknown in ways[0]]
        if unwritten:
            warnings.warn(
                f"the vocabulary cannot write {_listed(unwritten)}: "
                f"{tokenizer.pieces[unknown or 0]} stands for what it lacks",
                stacklevel=2,
            )
        phrases = [
            (_checked(ids, phrase), self._score(phrase, own))
            for (phrase, own), ways in zip(entries.items(), encoded, strict=True)
            for ids in ways
        ]
        return _core.decoding.PhraseTree(
            len(tokenizer.pieces),
            phrases,
            self.depth_scaling,
            self.unknown_score,
            self.uniform_weights,
        )

    def _spellings(self, tokenizer: Tokenizer) -> dict[str, float | None]:
        """Every spelling; one that was given keeps its own score."""
        alphabet = Alphabet(tokenizer)
        spellings: dict[str, float | None] = {}
        for phrase, own in self.entries:
            for spelling in alphabet.variants(phrase):
                spellings.setdefault(spelling, own)
        given = {p: own for p, own in self.entries if p in spellings}
        return {**spellings, **given}

    def _score(self, phrase: str, own: float | None) -> float:
        # NeMo rounds to two digits and takes 0 for unset.
        shared = round(self.score_per_phrase / len(phrase), 2) or self.score
        return shared if own is None else own


def _checked(ids: list[int], phrase: str) -> list[int]:
    if not 0 < len(ids) <= _core.decoding.MAX_PHRASE_TOKENS:
        raise PhrasesError(
            f"the phrase {phrase!r:.60} has {len(ids)} tokens; write one of 1 to "
            f"{_core.decoding.MAX_PHRASE_TOKENS}"
        )
    return ids


def _encode(phrases: tuple[str, ...], tokenizer: Tokenizer) -> list[list[list[int]]]:
    """The token sequences that write each phrase: one, or one for each of several languages."""
    try:
        return tokenizer.spellings(phrases)
    except ValueError:
        for phrase in phrases:
            try:
                tokenizer.encode(phrase)
            except ValueError as error:
                raise PhrasesError(
                    f"the phrase {phrase!r:.60} cannot be written ({error}); spell it otherwise"
                ) from error
        raise


def read_phrases(path: str | os.PathLike[str]) -> tuple[Entry, ...]:
    """Read a file of phrases: one a line, after a tab its score if it has its own.

    The text is UTF-8; spaces around a phrase, empty lines and lines that begin with # are not
    read. Raises PhrasesError, which names the file and the line, for a file that is missing, not
    such a text, empty, or larger than MAX_FILE_BYTES.
    """
    name = os.fspath(path)
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PhrasesError(
            f"{name}: cannot be read ({error.strerror or error}); check the path"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise PhrasesError(
            f"{name}: is larger than {MAX_FILE_BYTES // 1024**2} MB; give phrases, one a line"
        )
    entries = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
            if text.strip() and not text.lstrip().startswith("#"):
                entries.append(_parsed(text))
        except UnicodeDecodeError as error:
            raise PhrasesError(
                f"{name}, line {number}: is no UTF-8 ({error.reason}); save the file as UTF-8"
            ) from error
        except PhrasesError as error:
            raise PhrasesError(f"{name}, line {number}: {error}") from error
    if not entries:
        raise PhrasesError(f"{name}: holds no phrases; write one a line")
    return tuple(entries)


def _parsed(line: str) -> Entry:
    phrase, _, number = (part.strip() for part in line.partition("\t"))
    if not number:
        return _entry(phrase)
    try:
        return _entry((phrase, float(number)))
    except ValueError as error:
        raise PhrasesError(
            f"the score {number!r:.40} is not a number; write PHRASE<TAB>SCORE"
        ) from error


def _entry(given: str | tuple[str, float | None]) -> Entry:
    phrase, score = (given, None) if isinstance(given, str) else _pair(given)
    if not phrase.strip():
        raise PhrasesError("a phrase is empty; leave it out")
    if any(0xD800 <= ord(c) <= 0xDFFF or c == "\0" for c in phrase):
        raise PhrasesError(f"the phrase {phrase!r:.60} is not valid text")
    if score is not None:
        _check_number(score, f"the score of {phrase!r:.60}")
    return phrase, None if score is None else float(score)


def _pair(given: object) -> tuple[str, float | None]:
    if isinstance(given, (tuple, list)) and len(given) == 2 and isinstance(given[0], str):
        return given[0], given[1]
    raise PhrasesError(f"{given!r:.60} is neither a phrase nor (phrase, score)")


def is_finite(value: object) -> bool:
    """Whether a value is a number that the runtime, which has 32 bits for it, takes as finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= _LARGEST


def _check_number(value: object, name: str) -> None:
    bound = _core.decoding.MAX_PHRASE_SCORE
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if abs(value) <= bound:  # false for NaN
            return
        if isinstance(value, int):  # Python writes out none of some thousand digits
            value = math.inf if value > 0 else -math.inf
    raise PhrasesError(f"{name} is {value!r:.40}; expected a number from {-bound:g} to {bound:g}")


def _listed(phrases: list[str]) -> str:
    shown = ", ".join(f"{phrase!r:.60}" for phrase in phrases[:_SHOWN])
    rest = len(phrases) - _SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
