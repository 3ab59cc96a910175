"""Which encoder frames tokens, words and segments span.

Source: NeMo `nemo.collections.asr.parts.submodules.rnnt_decoding` and `ctc_decoding`
(`_compute_offsets`, `_refine_timestamps`) and `nemo.collections.asr.parts.utils.timestamp_utils`
(`get_words_offsets`, `get_segment_offsets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from parrotlet.decoding.emission import Emission
from parrotlet.decoding.tokenizer import WHITESPACE, Tokenizer

SEGMENT_SEPARATORS = (".", "?", "!")
"""A word that ends in one of these ends a segment (NeMo's default `segment_seperators`)."""

_SPACES = (" ", "_", WHITESPACE)


def seconds(frame: int, frame_seconds: float) -> float:
    """Time at which an encoder frame begins; `frame_seconds` is the distance of frames."""
    # Frames are tens of milliseconds apart; rounding only removes 0.56000000000000005.
    return round(frame * frame_seconds, 6)


@dataclass(slots=True)
class Span:
    """Encoder frames from `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(slots=True)
class WordSpan:
    """A word, its frames, and the positions of its tokens in the sequence."""

    text: str
    start: int
    end: int
    tokens: list[int] = field(default_factory=list)


def token_spans(
    emissions: Sequence[Emission], decoder: str, tokenizer: Tokenizer
) -> tuple[list[Span], list[str]]:
    """Frames of each token, and the text of each token alone.

    RNNT tokens take one frame and TDT tokens their duration. NeMo lets a CTC token last from the
    emission of the token before it to its own. Punctuation is not spoken: for CTC it is given no
    duration, and for TDT it is moved to the end of the token before it, since it may be emitted
    long after, past a silence.
    """
    texts = [tokenizer.decode([e.token]) for e in emissions]
    marks = tokenizer.punctuation
    if decoder == "ctc":
        spans = _ctc_spans(emissions)
        for span, text in list(zip(spans, texts, strict=True))[1:]:
            if text[:1] in marks:
                span.end = span.start
    elif decoder == "tdt":
        spans = [Span(e.frame, e.frame + (e.duration or 0)) for e in emissions]
        for i in range(1, len(spans)):
            if texts[i] in marks:
                spans[i] = Span(spans[i - 1].end, spans[i - 1].end)
    else:
        spans = [Span(e.frame, e.frame + 1) for e in emissions]
    return spans, texts


def _ctc_spans(emissions: Sequence[Emission]) -> list[Span]:
    frames = [e.frame for e in emissions]
    starts = [max(0, frame - 1) for frame in frames[:1]] + frames[:-1]
    return [Span(start, end) for start, end in zip(starts, frames, strict=True)]


def word_spans(
    ids: Sequence[int],
    texts: Sequence[str],
    spans: Sequence[Span],
    tokenizer: Tokenizer,
    from_start: bool = True,
) -> list[WordSpan]:
    """Group tokens into words.

    `texts` and `spans` are those of `token_spans`. Punctuation joins the word before it, with or
    without a space between. Words without a visible character are left out. `from_start` says
    that these are the first tokens: the first word then starts where they do.
    """
    words: list[WordSpan] = []
    current: list[int] = []
    start = 0

    def append(i: int) -> None:
        nonlocal start
        if not current:
            start = spans[i].start
        current.append(i)

    def finish(end: int) -> None:
        if current:
            text = tokenizer.decode(ids[i] for i in current).strip()
            words.append(WordSpan(text, start, end, list(current)))
            current.clear()

    for i, text in enumerate(texts):
        mark = text in tokenizer.punctuation and text != " "
        if not mark and _begins_word(i, ids, texts, tokenizer):
            finish(spans[i - 1].end)
            if text != " ":
                append(i)
        elif mark and words and not current:
            words[-1].text = words[-1].text.removesuffix(" ") + text
            words[-1].end = spans[i].end
            words[-1].tokens.append(i)
        else:
            append(i)
            if mark and len(current) > 1 and tokenizer.pieces[ids[current[-2]]] in _SPACES:
                # "word ," reads "word,"; a word that began with the space keeps its start.
                del current[-2]
    if spans:
        finish(spans[-1].end)
    if words and from_start:
        words[0].start = spans[0].start
    return [word for word in words if word.text]


def _begins_word(i: int, ids: Sequence[int], texts: Sequence[str], tokenizer: Tokenizer) -> bool:
    """Whether token `i` carries a word start, or is a space that no punctuation follows."""
    if tokenizer.begins_word(ids[i]):
        return True
    if texts[i] != " ":
        return False
    later = (texts[j] for j in range(i + 1, len(texts)))
    following = next((text for text in later if text not in ("", " ")), None)
    return following not in tokenizer.punctuation


def utterances(ids: Sequence[int], tokenizer: Tokenizer) -> Iterator[slice]:
    """Divide tokens at those that end an utterance, which belong to none.

    The last slice is the utterance that has not ended; it may be empty.
    """
    start = 0
    for i, token in enumerate(ids):
        if token in tokenizer.ends:
            yield slice(start, i)
            start = i + 1
    yield slice(start, len(ids))


def segment_spans(words: Sequence[WordSpan]) -> list[list[int]]:
    """Positions of the words of each segment."""
    segments: list[list[int]] = []
    current: list[int] = []
    for i, word in enumerate(words):
        current.append(i)
        if word.text.endswith(SEGMENT_SEPARATORS):
            segments.append(current)
            current = []
    if current:
        segments.append(current)
    return segments
