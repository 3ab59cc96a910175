"""Fitting a user's text to what a vocabulary can write."""

from __future__ import annotations

import unicodedata

from parrotlet.decoding.tokenizer import WHITESPACE, Tokenizer

_MARKS = ("P", "S")
"""Unicode's general categories of punctuation and symbols."""

_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"


class Alphabet:
    """The characters that the pieces of a vocabulary write."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Collect them; markers such as "<unk>" are no text."""
        self.characters = frozenset(" ").union(*tokenizer.written()) - {WHITESPACE}
        self.has_case = any(character.isupper() for character in self.characters)
        self._marks = _Marks(self.characters)

    def fit(self, text: str) -> str:
        """Write `text` without what the vocabulary lacks throughout: capitals, and single marks.

        A mark becomes a space, except that an apostrophe within a word is dropped.
        """
        if not self.has_case:
            text = text.lower()
        fitted = text.translate(self._marks)
        return text if fitted == text else " ".join(fitted.split())

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


class _Marks(dict[int, int | str]):
    """What each character becomes, found when it is first met: itself, nothing, or a space."""

    def __init__(self, characters: frozenset[str]) -> None:
        super().__init__()
        self._characters = characters

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        # SentencePiece's normalisation may make of a mark what the vocabulary has.
        known = self._characters.issuperset(unicodedata.normalize("NFKC", character))
        if known or unicodedata.category(character)[0] not in _MARKS:
            self[code] = code
        else:
            self[code] = "" if character in _APOSTROPHES else " "
        return self[code]


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _capitals(text: str) -> str:
    return " ".join(map(_first_capital, text.split(" ")))
