"""Rules of Unicode: where text in scripts without spaces may be divided, and how wide text is.

Japanese, Chinese, Thai, Lao, Khmer, Burmese, Tibetan and others put no space between words. There,
words are divided where a line may be broken (UAX 14, "Unicode Line Breaking Algorithm"), if that is
between tokens. Scripts with spaces, Korean too, are left alone.
"""

from __future__ import annotations

from functools import lru_cache

import regex
from rich.cells import cell_len

_UNSPACED = (
    r"\p{lb=SA}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Bopomofo}\p{sc=Yi}\p{sc=Tangut}"
    r"\p{sc=Nushu}\u0F0B-\u0F12\u3000-\u303F\u30FB-\u30FC\uFE30-\uFE4F\uFF01-\uFF9F"
)
_NEEDS_DIVISION = regex.compile(rf"[{_UNSPACED}]")
_HANGUL = regex.compile(r"\p{sc=Hangul}")

# Line breaking of class SA (Thai and its neighbours) takes a dictionary. Token boundaries stand for
# it, and its letters count as ideographs, but for those that never begin or end a syllable. The
# lines are: letters that follow a consonant; consonants without a vowel, which end a syllable.
_NO_BREAK_BEFORE_SYLLABLE = (
    r"[\u0E2F\u0E30\u0E32\u0E33\u0E45\u0E46\u0EAF\u0EB0\u0EB2\u0EB3\u0EBD\u0EC6\u17D7]"
    r"|[\u19B0-\u19B4\u19B8\u19B9\u19BB-\u19C9]"
    r"|[\u0E01-\u0E2E][\u0E34\u0E38]?\u0E4C|[\u1000-\u102A\u103F](?:\u1037?\u103A|\u1039)"
)
_NO_BREAK_AFTER_SYLLABLE = r"[\p{Logical_Order_Exception}\u1039\u17D2\u1A60]"

# Rules LB7 to LB25 as far as one side is an ideograph. A quotation mark is taken to open or to
# close by its general category (LB15, LB19a); others hold to both sides.
_NO_BREAK_BEFORE = regex.compile(
    r"\s|[\p{lb=CM}\p{lb=ZWJ}\p{lb=CL}\p{lb=CP}\p{lb=EX}\p{lb=IS}\p{lb=SY}\p{lb=NS}\p{lb=CJ}"
    r"\p{lb=GL}\p{lb=WJ}\p{lb=ZW}\p{lb=BA}\p{lb=HY}\p{lb=IN}\p{lb=PO}\p{M}]"
    rf"|(?!\p{{Pi}})\p{{lb=QU}}|{_NO_BREAK_BEFORE_SYLLABLE}"
)
_COMBINING = r"[\p{lb=CM}\p{M}]*"
_NO_BREAK_AFTER = regex.compile(
    r"\p{lb=ZWJ}$|(?:[\p{lb=OP}\p{lb=GL}\p{lb=WJ}\p{lb=BB}\p{lb=PR}]|(?!\p{Pf})\p{lb=QU})"
    rf"{_COMBINING}$|{_NO_BREAK_AFTER_SYLLABLE}$"
)
_POSTFIX = regex.compile(rf"\p{{lb=PO}}{_COMBINING}$")
_ALPHANUMERIC = regex.compile(r"[\p{lb=AL}\p{lb=HL}\p{lb=NU}]")
_BASE_AT_END = regex.compile(rf"(\P{{M}}){_COMBINING}$")

# NeMo's default ends segments at ".", "?" and "!" alone, so nothing may follow those but a
# quotation mark or bracket of a script without spaces. U+2047 is what SentencePiece writes for an
# unknown token.
_SENTENCE_END = regex.compile(
    r"(?V1)(?:[.?!][\p{Pe}&&[\p{ea=W}\p{ea=F}\p{ea=H}]]*"
    r"|[[\p{STerm}‥…]--[.?!‼‽⁇⁈⁉]][\p{Pe}\p{Pf}\"']*)$"
)
_CLAUSE_END = regex.compile(r"[,;:\u2013\u2014、，､；：،؛၊፣]$")

_NEAR = 8
"""Characters that decide on a break, on either side of it, combining marks included."""


def unspaced(text: str) -> bool:
    """Whether `text` has a character of a script without spaces."""
    return _NEEDS_DIVISION.search(text) is not None


@lru_cache(maxsize=8192)
def divides(left: str, right: str) -> bool:
    """Whether a word may end with `left` and another begin with `right`, without a space between.

    One of the characters there has to be of a script without spaces.
    """
    found = _BASE_AT_END.search(left)
    if found is None or not right:
        return False
    before, after = found[1], right[0]
    if not unspaced(before + after) or _HANGUL.search(before + after):
        return False
    if _NO_BREAK_BEFORE.match(right) or _NO_BREAK_AFTER.search(left):
        return False
    return not (_POSTFIX.search(left) and _ALPHANUMERIC.match(after))


def begins_unspaced(text: str) -> bool:
    """Whether `text` may begin a word of a script without spaces, wherever it stands."""
    return unspaced(text[:1]) and divides("\u4e00", text)


def continues(text: str) -> bool:
    """Whether `text` should not be parted from what stands before it, whatever the script."""
    return _NO_BREAK_BEFORE.match(text) is not None


def ends_sentence(word: str) -> bool:
    """Whether a word ends a sentence, of any script; for ASCII as NeMo's `segment_seperators`."""
    return _SENTENCE_END.search(word) is not None


def ends_clause(word: str) -> bool:
    """Whether a word ends in a comma or the like, of any script."""
    return _CLAUSE_END.search(word) is not None


def columns(text: str) -> int:
    """Width of `text`: wide characters count two (UAX 11), combining and invisible ones nothing."""
    return cell_len(text)


def last_break(text: str, end: int) -> int:
    """Where a line that may have `end` characters of `text` is best broken; 0 for nowhere."""
    for position in range(end, 0, -1):
        before, after = text[max(0, position - _NEAR) : position], text[position : position + _NEAR]
        if after[0] == " " or divides(before, after):
            return position
    return 0
