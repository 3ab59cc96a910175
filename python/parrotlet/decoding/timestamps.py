"""Which encoder frames tokens span, and which words make a segment.

Source: NeMo `nemo.collections.asr.parts.submodules.rnnt_decoding` and `ctc_decoding`
(`_compute_offsets`, `_refine_timestamps`) and `nemo.collections.asr.parts.utils.timestamp_utils`
(`get_segment_offsets`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from parrotlet.decoding.emission import Emission
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.writing import ends_sentence


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
    head: str,
    tokenizer: Tokenizer,
    first: Span | None = None,
) -> tuple[list[Span], list[str]]:
    """Frames of each token, and the text of each token alone.

    RNNT tokens take one frame and TDT tokens their duration. NeMo lets a CTC token last from the
    emission of the token before it to its own. Punctuation is not spoken: for CTC it is given no
    duration, and for TDT it is moved to the end of the token before it, since it may be emitted
    long after, past a silence. `first` is the span of the first token if it is known already.
    """
    texts = [tokenizer.alone(e.token) for e in emissions]
    marks = tokenizer.punctuation
    if head == "ctc":
        spans = _ctc_spans(emissions)
        for span, text in list(zip(spans, texts, strict=True))[1:]:
            if text[:1] in marks:
                span.end = span.start
    elif head == "tdt":
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
