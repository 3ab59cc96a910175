"""WordPiece: a word is a piece from the vocabulary, and after it pieces that begin with "##".

Sources: NeMo `nemo.collections.common.tokenizers.huggingface.AutoTokenizer`, which takes the class
of bert-base-cased, and that class (Hugging Face `transformers.BertTokenizer`, cased); Schuster and
Nakajima 2012, "Japanese and Korean voice search".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from parrotlet.decoding.encoding import LabelEncoder
from parrotlet.decoding.tokenizer import Tokenizer

CONTINUES = "##"
"""What a piece that does not begin a word begins with."""

UNKNOWN = "[UNK]"
"""The piece that stands for a word which the vocabulary cannot write."""

_MARKER = re.compile(r"\[[A-Z]+\]")  # "[PAD]" and its like

_LONGEST_WORD = 100  # characters; BERT takes longer ones for unknown

_CJK = re.compile(
    "([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf"
    "\U0002f800-\U0002fa1f])"
)


class WordPieceTokenizer(Tokenizer):
    """Subwords of a WordPiece vocabulary."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """Keep `pieces`, the vocabulary by id."""
        super().__init__(pieces)
        self._unknown = self.pieces.index(UNKNOWN) if UNKNOWN in self.pieces else None
        begins = [self.begins_word(token) for token in range(len(self.pieces))]
        entries = list(zip(self.pieces, begins, strict=True))
        self._first = LabelEncoder([piece if begin else "" for piece, begin in entries])
        self._next = LabelEncoder(
            ["" if begin else piece.removeprefix(CONTINUES) for piece, begin in entries]
        )

    def decode(self, ids: Iterable[int]) -> str:
        """Join the pieces with spaces, except those that continue a word.

        As in NeMo, the first piece keeps its "##".
        """
        return " ".join(self.pieces[i] for i in ids).replace(f" {CONTINUES}", "").strip()

    def continuation(self, ids: Iterable[int]) -> str:
        """Decode `ids` as they read after other text."""
        pieces = (self.pieces[i] for i in ids)
        return "".join(
            piece.removeprefix(CONTINUES) if piece.startswith(CONTINUES) else f" {piece}"
            for piece in pieces
        )

    def written(self) -> Iterator[str]:
        """Give the pieces that are text, without signs."""
        texts = (piece for piece in self.pieces if not _MARKER.fullmatch(piece))
        return (piece.removeprefix(CONTINUES) for piece in texts)

    def begins_word(self, token: int) -> bool:
        """Whether the piece has no "##"."""
        return not self.pieces[token].startswith(CONTINUES)

    @property
    def unknown(self) -> int | None:
        """The token "[UNK]"."""
        return self._unknown

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Cut words into the longest pieces that fit, from left to right.

        A word that does not divide into pieces is the unknown one. Raises ValueError if the
        vocabulary has no such piece.
        """
        return [[token for word in _words(text) for token in self._encode(word)] for text in texts]

    def _encode(self, word: str) -> list[int]:
        ids: list[int] = []
        start, encoder = 0, self._first
        while start < len(word):
            found = encoder.longest(word, start) if len(word) <= _LONGEST_WORD else None
            if found is None:
                if self._unknown is None:
                    raise ValueError(f"the vocabulary has no pieces for {word!r:.60}")
                return [self._unknown]
            token, start = found
            ids.append(token)
            encoder = self._next
        return ids


def _words(text: str) -> Iterator[str]:
    """What BERT takes for words: parts between spaces, marks, and each Chinese character."""
    for part in _CJK.sub(r" \1 ", "".join(map(_cleaned, text))).split():
        word = ""
        for character in part:
            if _is_mark(character):
                if word:
                    yield word
                yield character
                word = ""
            else:
                word += character
        if word:
            yield word


def _cleaned(character: str) -> str:
    if character in "\t\n\r":
        return " "
    dropped = unicodedata.category(character).startswith("C") or character == "\ufffd"
    return "" if dropped else character


def _is_mark(character: str) -> bool:
    """Whether BERT takes a character for punctuation: also symbols of ASCII such as "$"."""
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return unicodedata.category(character).startswith("P")
