"""Where words are divided without a space: in scripts without spaces, and in endless words."""

from __future__ import annotations

from collections.abc import Sequence

from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.writing import begins_unspaced, continues, divides, unspaced

WORD_TOKENS = 64
"""A word is divided after so many tokens, between characters: what a stream has to keep of its last
word is bounded. The longest words of dictionaries have fewer letters."""

_CONTEXT = 8
"""Tokens before a boundary that decide on it."""

_LONGEST_CHARACTER = 4  # bytes of UTF-8


def divides_at(
    i: int, word: Sequence[int], ids: Sequence[int], texts: Sequence[str], tokenizer: Tokenizer
) -> bool:
    """Whether token `i` begins a word, without a space, after the tokens at positions `word`.

    `texts` has the text of each token alone. Later tokens do not change the answer, with one
    exception: where token `i` spells a character in bytes, the answer is no until all of them are
    there.
    """
    if _within_character(i, ids, tokenizer):
        return False
    spelled = tokenizer.byte(ids[i]) is not None or tokenizer.byte(ids[word[-1]]) is not None
    if spelled or unspaced(texts[word[-1]][-1:] + texts[i][:1]):
        left = tokenizer.decode(ids[j] for j in word[-_CONTEXT:])
        if left.strip() and divides(left, _text_from(i, ids, texts, tokenizer)):
            return True
    if len(word) < WORD_TOKENS:
        return False
    return len(word) >= 2 * WORD_TOKENS or not continues(texts[i])


def may_begin_word(token: int, tokenizer: Tokenizer) -> bool:
    """Whether a word may begin with `token`, judged by the token alone."""
    text = tokenizer.alone(token)
    if tokenizer.begins_word(token) or text == " ":
        return True
    # Bytes E3 to E9 begin kana and Han. Those that spell letters of words with spaces are others.
    return 0xE3 <= (tokenizer.byte(token) or 0) <= 0xE9 or begins_unspaced(text)


def _within_character(i: int, ids: Sequence[int], tokenizer: Tokenizer) -> bool:
    """Whether token `i` is a byte that continues a character of UTF-8."""
    for length in range(1, _LONGEST_CHARACTER + 1):
        position = i - length + 1
        byte = tokenizer.byte(ids[position]) if position >= 0 else None
        if byte is None or not 0x80 <= byte < 0xC0:
            return length > 1 and byte is not None and _character_bytes(byte) >= length
    return False


def _text_from(i: int, ids: Sequence[int], texts: Sequence[str], tokenizer: Tokenizer) -> str:
    """Text of token `i`, or of the bytes that spell a character; "" while some are missing."""
    first = tokenizer.byte(ids[i])
    if first is None:
        return texts[i]
    run = [i]
    while len(run) < _character_bytes(first):
        if run[-1] + 1 == len(ids):
            return ""
        if tokenizer.byte(ids[run[-1] + 1]) is None:
            break
        run.append(run[-1] + 1)
    return tokenizer.decode(ids[j] for j in run)


def _character_bytes(first: int) -> int:
    """Number of bytes of the UTF-8 character that begins with `first`."""
    return 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
