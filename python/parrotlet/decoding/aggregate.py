"""Several vocabularies one after the other, each of a language.

Source: NeMo `nemo.collections.common.tokenizers.AggregateTokenizer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from parrotlet.decoding.tokenizer import SentencePieceTokenizer, TokenType


class AggregateTokenizer(SentencePieceTokenizer):
    """SentencePiece vocabularies of languages; a token tells its language.

    Text is joined as NeMo does it: every piece as it is written, so that a text begins with the
    space of its first word. Bytes become the characters that they spell, which NeMo leaves out.
    """

    def __init__(self, languages: Sequence[tuple[str, SentencePieceTokenizer]], path: str) -> None:
        """Put the vocabularies together, in the order of their tokens; `path` is the file."""
        tokenizers = [tokenizer for _, tokenizer in languages]
        super().__init__(
            [piece for tokenizer in tokenizers for piece in tokenizer.pieces],
            [kind for tokenizer in tokenizers for kind in tokenizer.types],
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            path=path,
        )
        self._parts = tuple(tokenizers)
        sizes = [len(tokenizer.pieces) for tokenizer in tokenizers]
        self._firsts = tuple(accumulate(sizes[:-1], initial=0))
        self._languages = tuple(
            name for (name, _), size in zip(languages, sizes, strict=True) for _ in range(size)
        )

    def language(self, token: int) -> str | None:
        """Return the language whose vocabulary a token is from."""
        return self._languages[token]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode in the first language that can write a text, or else in the first one."""
        return [spellings[0] for spellings in self.spellings(texts)]

    def spellings(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """Encode in every language that can write a text, or else in the first one."""
        encoded = [
            [[first + token for token in ids] for ids in part.encode_all(texts)]
            for first, part in zip(self._firsts, self._parts, strict=True)
        ]
        return [
            [ids for ids in ways if ids and not self._has_unknown(ids)] or [ways[0]]
            for ways in map(list, zip(*encoded, strict=True))
        ]

    def _has_unknown(self, ids: Sequence[int]) -> bool:
        return any(self.types[token] == TokenType.UNKNOWN for token in ids)

    @property
    def can_encode(self) -> bool:
        """Whether the model's file says how text becomes tokens, in every language."""
        return all(part.can_encode for part in self._parts)

    def _surface(self, piece: str, kind: int) -> str:
        return piece
