"""Fitting a user's text to what a vocabulary can write."""

from __future__ import annotations

import unicodedata

from parrotlet.decoding.tokenizer import WHITESPACE, Tokenizer

_MARKS = ("P", "S")
"""Unicode's general categories of punctuation and symbols."""


class Alphabet:
    """The characters that the pieces of a vocabulary write."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Collect them; markers such as "<unk>" are no text."""
        pieces = (piece for piece in tokenizer.pieces if not piece.startswith("<"))
        self.characters = frozenset(" ").union(*pieces) - {WHITESPACE}
        self.has_case = any(character.isupper() for character in self.characters)

    def fit(self, text: str) -> str:
        """Write `text` without what the vocabulary lacks throughout: capitals, and single marks.

        A mark becomes a space, except that an apostrophe within a word is dropped.
        """
        if not self.has_case:
            text = text.lower()
        foreign = {
            c for c in set(text) if unicodedata.category(c)[0] in _MARKS and not self._has(c)
        }
        if not foreign:
            return text
        table = {ord(c): "" if c in "'\N{RIGHT SINGLE QUOTATION MARK}" else " " for c in foreign}
        return " ".join(text.translate(table).split())

    def variants(self, phrase: str) -> tuple[str, ...]:
        """The ways in which a transcript may write a phrase: the case of letters, without marks.

        The phrase as it fits comes first; none comes twice.
        """
        fitted = self.fit(phrase)
        bare = "".join(c for c in fitted if unicodedata.category(c)[0] not in _MARKS or c == "'")
        spellings = [fitted, " ".join(bare.split())]
        if self.has_case:
            spellings += [
                change(spelling)
                for spelling in spellings
                for change in (str.lower, _first_capital, _capitals)
            ]
        return tuple(dict.fromkeys(spelling for spelling in spellings if spelling))

    def _has(self, character: str) -> bool:
        """Whether it can be written, or what SentencePiece's normalisation makes of it."""
        return self.characters.issuperset(unicodedata.normalize("NFKC", character))


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _capitals(text: str) -> str:
    return " ".join(map(_first_capital, text.split(" ")))
