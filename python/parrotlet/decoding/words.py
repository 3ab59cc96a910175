"""Grouping tokens into words.

Source: NeMo `nemo.collections.asr.parts.utils.timestamp_utils` (`get_words_offsets`), for scripts
with spaces; for the others `parrotlet.decoding.division`.
"""

from __future__ import annotations

from collections.abc import Sequence

from parrotlet.decoding.division import WORD_TOKENS, divides_at
from parrotlet.decoding.timestamps import Span, WordSpan
from parrotlet.decoding.tokenizer import WHITESPACE, Tokenizer
from parrotlet.writing import unspaced

_SPACES = (" ", "_", WHITESPACE)

_TOKEN_FRAMES = 12
"""The longest that a token of a script without spaces is spoken: half a second, or a whole one. A
CTC token that lasts longer follows a pause."""


def word_spans(
    ids: Sequence[int],
    texts: Sequence[str],
    spans: Sequence[Span],
    tokenizer: Tokenizer,
    from_start: bool = True,
    after_space: bool = True,
) -> list[WordSpan]:
    """Group tokens into words, without words that have no visible text.

    `texts` and `spans` are those of `token_spans`, `from_start` and `after_space` as for
    `grouped_tokens`.
    """
    words = grouped_tokens(ids, texts, spans, tokenizer, from_start, after_space)
    return [word for word in words if word.text]


def grouped_tokens(
    ids: Sequence[int],
    texts: Sequence[str],
    spans: Sequence[Span],
    tokenizer: Tokenizer,
    from_start: bool = True,
    after_space: bool = True,
) -> list[WordSpan]:
    """Group tokens into words, as NeMo does, and where `divides_at` says so.

    Punctuation joins the word before it, with or without a space between. `from_start` says
    that these are the first tokens: the first word then starts where they do. `after_space` is
    what the first word has as `space_before`.
    """
    grouping = _Grouping(ids, texts, spans, tokenizer, after_space)
    for i in range(len(texts)):
        grouping.add(i)
    words = grouping.finish()
    if words and from_start:
        words[0].start = spans[0].start
    return words


class _Grouping:
    """Takes the positions of tokens in order. The last word is open until the next one begins."""

    def __init__(
        self,
        ids: Sequence[int],
        texts: Sequence[str],
        spans: Sequence[Span],
        tokenizer: Tokenizer,
        after_space: bool,
    ) -> None:
        self._ids = ids
        self._texts = texts
        self._spans = spans
        self._tokenizer = tokenizer
        self._words: list[WordSpan] = []
        self._open: list[int] = []
        self._start = 0
        self._space_before = after_space

    def add(self, i: int) -> None:
        text = self._texts[i]
        mark = text in self._tokenizer.punctuation and text != " "
        if not mark and self._begins_word(i):
            close = self._divides(i) and not self._carries_space(i)
            self._finish_word()
            if text != " ":
                self._append(i, close)
        elif mark and self._words and not self._open and self._is_near(i):
            word = self._words[-1]
            word.text = word.text.removesuffix(" ") + text
            word.end = self._spans[i].end
            word.tokens.append(i)
        else:
            close = self._divides(i)
            if close:
                self._finish_word()
            self._append(i, close)
            if mark and len(self._open) > 1 and self._piece(self._open[-2]) in _SPACES:
                # "word ," reads "word,"; a word that began with the space keeps its start.
                del self._open[-2]

    def finish(self) -> list[WordSpan]:
        self._finish_word()
        return self._words

    def _append(self, i: int, close: bool) -> None:
        """Add a token to the open word, or open one; `close` says that no space comes before."""
        if not self._open:
            self._start = self._spans[i].start
            if i:
                self._space_before = not close or self._texts[i - 1][-1:].isspace()
        self._open.append(i)

    def _finish_word(self) -> None:
        if not self._open:
            return
        text = self._tokenizer.decode(self._ids[i] for i in self._open).strip()
        first, last = self._open[0], self._open[-1]
        if unspaced(text):
            text = self._tokenizer.close_up(text)
            # There punctuation takes no time whatever the decoder: it may come after a pause.
            marks = self._tokenizer.punctuation
            last = next((i for i in reversed(self._open) if self._texts[i] not in marks), last)
            if self._spans[first].end - self._start > _TOKEN_FRAMES:
                self._start = self._spans[first].end - 1
        end = self._spans[last].end
        self._words.append(WordSpan(text, self._start, end, self._open, self._space_before))
        self._open = []

    def _begins_word(self, i: int) -> bool:
        """Whether token `i` carries a word start, or is a space that no punctuation follows."""
        if self._tokenizer.begins_word(self._ids[i]):
            return True
        if self._texts[i] != " ":
            return False
        later = (self._texts[j] for j in range(i + 1, len(self._texts)))
        following = next((text for text in later if text not in ("", " ")), None)
        return following not in self._tokenizer.punctuation

    def _divides(self, i: int) -> bool:
        """Whether a word begins with token `i` though no space comes before it."""
        return bool(self._open) and divides_at(
            i, self._open, self._ids, self._texts, self._tokenizer
        )

    def _carries_space(self, i: int) -> bool:
        return self._tokenizer.continuation([self._ids[i]])[:1].isspace()

    def _is_near(self, i: int) -> bool:
        """Whether token `i` may still belong to the last word, however many spaces lie between."""
        return i - self._words[-1].tokens[-1] <= WORD_TOKENS

    def _piece(self, i: int) -> str:
        return self._tokenizer.pieces[self._ids[i]]
