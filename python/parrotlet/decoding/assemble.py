"""Emitted tokens to the parts of a transcription."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parrotlet.decoding.confidence import aggregate
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.timestamps import segment_spans, token_spans, word_spans
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.results import Segment, Token, Word


@dataclass(frozen=True, slots=True)
class Parts:
    """Text, tokens, words and segments of a sequence of emissions."""

    text: str
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    segments: tuple[Segment, ...]


def assemble(
    emissions: Sequence[Emission], decoder: str, tokenizer: Tokenizer, frame_seconds: float
) -> Parts:
    """Turn the emissions of `decoder` ("ctc", "rnnt" or "tdt") into results.

    `frame_seconds` is the distance of encoder frames.
    """

    def seconds(frame: int) -> float:
        # Frames are tens of milliseconds apart; rounding only removes 0.56000000000000005.
        return round(frame * frame_seconds, 6)

    ids = [emission.token for emission in emissions]
    spans, texts = token_spans(emissions, decoder, tokenizer)
    tokens = tuple(
        Token(
            id=emission.token,
            piece=tokenizer.pieces[emission.token],
            start=seconds(span.start),
            end=seconds(span.end),
            frame=emission.frame,
            duration=emission.duration,
            confidence=emission.confidence,
        )
        for emission, span in zip(emissions, spans, strict=True)
    )
    found = word_spans(ids, texts, spans, tokenizer)
    words = tuple(
        Word(
            word=word.text,
            start=seconds(word.start),
            end=seconds(word.end),
            confidence=aggregate([emissions[i].confidence for i in word.tokens]),
        )
        for word in found
    )
    segments = tuple(_segment([words[i] for i in positions]) for positions in segment_spans(found))
    return Parts(tokenizer.transcript(ids), tokens, words, segments)


def _segment(words: list[Word]) -> Segment:
    text = " ".join(word.word for word in words)
    return Segment(text, words[0].start, words[-1].end, tuple(words))
