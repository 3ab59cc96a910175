"""Emitted tokens to the parts of a transcription."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from parrotlet.decoding.emission import Emission
from parrotlet.decoding.languages import (
    Languages,
    between_tags,
    first_tag,
    split_by_language,
    vocabulary_language,
)
from parrotlet.decoding.timestamps import (
    Span,
    WordSpan,
    seconds,
    segment_spans,
    token_spans,
    utterances,
)
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.words import word_spans
from parrotlet.results import Segment, Token, Word, text_of, whole_milliseconds, with_times


@dataclass(frozen=True, slots=True)
class Parts:
    """Text, tokens, words and segments of a sequence of emissions."""

    text: str
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    segments: tuple[Segment, ...]

    def later(self, seconds: float, frames: int) -> Parts:
        """Return the same with all times `seconds`, that is `frames` encoder frames, later."""
        moved = self._with_times(lambda time: round(time + seconds, 6))
        tokens = (replace(token, frame=token.frame + frames) for token in moved.tokens)
        return replace(moved, tokens=tuple(tokens))

    def within(self, duration: float) -> Parts:
        """Return the same with no time after the end of a recording of `duration` seconds.

        The last encoder frames, and predicted durations of tokens, may reach beyond it.
        """
        end = whole_milliseconds(duration)
        return self._with_times(lambda time: min(time, end))

    def _with_times(self, time: Callable[[float], float]) -> Parts:
        words = [with_times(word, time) for word in self.words]
        # Segments share the words.
        known = {id(old): new for old, new in zip(self.words, words, strict=True)}
        return Parts(
            self.text,
            tuple(with_times(token, time) for token in self.tokens),
            tuple(words),
            tuple(
                replace(with_times(s, time), words=tuple(known[id(word)] for word in s.words))
                for s in self.segments
            ),
        )


def assemble(
    emissions: Sequence[Emission],
    head: str,
    tokenizer: Tokenizer,
    frame_seconds: float,
    languages: Languages | None = None,
) -> Parts:
    """Turn the emissions of a `head` ("ctc", "rnnt" or "tdt") into results.

    `frame_seconds` is the distance of encoder frames. Tokens that end an utterance have no text.
    They end a segment, and are among the tokens only. So do tags of languages, unless `languages`
    keeps them in the text.
    """
    languages = languages or Languages()
    ids = [emission.token for emission in emissions]
    spans, texts = token_spans(emissions, head, tokenizer)
    words: list[Word] = []
    segments: list[Segment] = []
    transcripts = []
    for utterance in utterances(ids, tokenizer):
        transcript, begun = "", False
        for part in _parts_of(utterance, ids, tokenizer, languages):
            text = (tokenizer.following if begun else tokenizer.transcript)(ids[part])
            found = word_spans(
                ids[part],
                texts[part],
                spans[part],
                tokenizer,
                from_start=part.start == utterance.start,
                after_space=not begun or text[:1].isspace(),
            )
            here = [
                to_word(word, word_confidence(word, emissions[part]), frame_seconds)
                for word in found
            ]
            words += here
            for group in split_by_language(segment_spans(found), found, ids[part], tokenizer):
                first = found[group[0]]
                language = (
                    first_tag(ids[part.start + first.tokens[0] : utterance.stop], tokenizer)
                    or vocabulary_language((ids[part.start + i] for i in first.tokens), tokenizer)
                    or languages.at(first.start)
                )
                segments.append(_segment([here[i] for i in group], language))
            transcript += text.rstrip() if part.stop < len(ids) else text
            begun = begun or bool(text)
        transcripts.append(transcript)
    return Parts(
        " ".join(transcript for transcript in transcripts if transcript),
        tuple(
            _token(emission, span, tokenizer, frame_seconds)
            for emission, span in zip(emissions, spans, strict=True)
        ),
        tuple(words),
        tuple(segments),
    )


def _parts_of(
    utterance: slice, ids: Sequence[int], tokenizer: Tokenizer, languages: Languages
) -> Iterator[slice]:
    """Divide an utterance at the tags that are no text."""
    if languages.keep_tags:
        yield utterance
        return
    for part in between_tags(ids[utterance], tokenizer):
        yield slice(utterance.start + part.start, utterance.start + part.stop)


def to_word(span: WordSpan, confidence: float, frame_seconds: float) -> Word:
    """Make a word of the frames that it spans."""
    return Word(
        word=span.text,
        start=seconds(span.start, frame_seconds),
        end=seconds(span.end, frame_seconds),
        confidence=confidence,
        space_before=span.space_before,
    )


def word_confidence(span: WordSpan, emissions: Sequence[Emission]) -> float:
    """Confidence of a word: the lowest of its tokens'; `span.tokens` are positions in `emissions`.

    Source: NeMo `ConfidenceConfig.aggregation` of `asr_confidence_utils`, "min" by default.
    """
    return min(emissions[i].confidence for i in span.tokens)


def _token(emission: Emission, span: Span, tokenizer: Tokenizer, frame_seconds: float) -> Token:
    return Token(
        id=emission.token,
        piece=tokenizer.pieces[emission.token],
        start=seconds(span.start, frame_seconds),
        end=seconds(span.end, frame_seconds),
        frame=emission.frame,
        duration=emission.duration,
        confidence=emission.confidence,
    )


def _segment(words: list[Word], language: str | None) -> Segment:
    start, end = words[0].start, words[-1].end
    return Segment(text_of(words), start, end, tuple(words), language=language)
