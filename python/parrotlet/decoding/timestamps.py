"""Which encoder frames tokens, words and segments span.

Source: NeMo `nemo.collections.asr.parts.submodules.rnnt_decoding` and `ctc_decoding`
(`_compute_offsets`, `_refine_timestamps`) and `nemo.collections.asr.parts.utils.timestamp_utils`
(`get_words_offsets`, `get_segment_offsets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from parrotlet.decoding.division import WORD_TOKENS, divides_at
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.tokenizer import WHITESPACE, Tokenizer
from parrotlet.writing import ends_sentence, unspaced

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
    """A word, its frames, and the positions of its tokens in the sequence.

    `space_before` is False for a word that stands right after the one before it.
    """

    text: str
    start: int
    end: int
    tokens: list[int] = field(default_factory=list)
    space_before: bool = True


def token_spans(
    emissions: Sequence[Emission],
    decoder: str,
    tokenizer: Tokenizer,
    first: Span | None = None,
) -> tuple[list[Span], list[str]]:
    """Frames of each token, and the text of each token alone.

    RNNT tokens take one frame and TDT tokens their duration. NeMo lets a CTC token last from the
    emission of the token before it to its own. Punctuation is not spoken: for CTC it is given no
    duration, and for TDT it is moved to the end of the token before it, since it may be emitted
    long after, past a silence. `first` is the span of the first token if it is known already.
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
        if first is not None:
            spans[0] = first
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
    ids: Sequence[int], texts: Sequence[str], spans: Sequence[Span], tokenizer: Tokenizer
) -> list[WordSpan]:
    """Group the tokens of an utterance into words, without those that nothing can be seen of.

    `texts` and `spans` are those of `token_spans`.
    """
    return [word for word in grouped_tokens(ids, texts, spans, tokenizer) if word.text]


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
    words: list[WordSpan] = []
    current: list[int] = []
    start, space_before = 0, True

    def finish() -> None:
        if not current:
            return
        text = tokenizer.decode(ids[i] for i in current).strip()
        last = current[-1]
        if unspaced(text):
            text = tokenizer.close_up(text)
            # There punctuation takes no time whatever the decoder: it may come after a pause.
            spoken = (i for i in reversed(current) if texts[i] not in tokenizer.punctuation)
            last = next(spoken, last)
        words.append(WordSpan(text, start, spans[last].end, list(current), space_before))
        current.clear()

    for i, text in enumerate(texts):
        mark = text in tokenizer.punctuation and text != " "
        if not mark and _begins_word(i, ids, texts, tokenizer):
            divided = bool(current) and _stands_close(i, current, ids, texts, tokenizer)
            finish()
            if text == " ":
                continue
        elif mark and words and not current and i - words[-1].tokens[-1] <= WORD_TOKENS:
            words[-1].text = words[-1].text.removesuffix(" ") + text
            words[-1].end = spans[i].end
            words[-1].tokens.append(i)
            continue
        else:
            divided = bool(current) and divides_at(i, current, ids, texts, tokenizer)
            if divided:
                finish()
        if not current:
            start = spans[i].start
            space_before = not divided or texts[i - 1][-1:].isspace()
            if i == 0:
                space_before = after_space
        current.append(i)
        if mark and len(current) > 1 and tokenizer.pieces[ids[current[-2]]] in _SPACES:
            # "word ," reads "word,"; a word that began with the space keeps its start.
            del current[-2]
    finish()
    if words and from_start:
        words[0].start = spans[0].start
    return words


def _begins_word(i: int, ids: Sequence[int], texts: Sequence[str], tokenizer: Tokenizer) -> bool:
    """Whether token `i` carries a word start, or is a space that no punctuation follows."""
    if tokenizer.begins_word(ids[i]):
        return True
    if texts[i] != " ":
        return False
    later = (texts[j] for j in range(i + 1, len(texts)))
    following = next((text for text in later if text not in ("", " ")), None)
    return following not in tokenizer.punctuation


def _stands_close(
    i: int, word: Sequence[int], ids: Sequence[int], texts: Sequence[str], tokenizer: Tokenizer
) -> bool:
    """Whether token `i`, which begins a word, has no space before it: its space follows it."""
    if not divides_at(i, word, ids, texts, tokenizer):
        return False
    return not tokenizer.continuation([ids[i]])[:1].isspace()


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
    """Positions of the words of each segment.

    NeMo ends segments at words that end in its default `segment_seperators`, ".", "?" and "!"; the
    sentence ends of other scripts are taken in the same way.
    """
    segments: list[list[int]] = []
    current: list[int] = []
    for i, word in enumerate(words):
        current.append(i)
        if ends_sentence(word.text):
            segments.append(current)
            current = []
    if current:
        segments.append(current)
    return segments
