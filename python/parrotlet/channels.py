"""One result from the channels of a recording, where each channel is a speaker of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from parrotlet.decoding.languages import main_language
from parrotlet.results import Segment, Transcription, text_of
from parrotlet.subtitles import split_at_pauses

NONE_OF_CHANNELS = (
    "has no alternatives, as each of its channels was recognised by itself; nbest is for one "
    "channel, or all of them together"
)


def join_channels(channels: Sequence[Transcription]) -> Transcription:
    """Join the transcriptions of the channels of one recording; channel `i` is speaker `i + 1`.

    Tokens, words and segments of all are in order of time, each with its speaker; a pause ends a
    segment, so that an answer stands where it was given. The text has a line "SPEAKER: TEXT" for
    every turn: what one speaker says until another one begins a segment.
    """
    named = [_spoken_by(str(i), channel) for i, channel in enumerate(channels, 1)]
    segments = sorted((s for c in named for s in c.segments), key=lambda s: s.start)
    return replace(
        named[0],
        text="\n".join(_turns(segments)),
        duration=max(channel.duration for channel in named),
        tokens=tuple(sorted((t for c in named for t in c.tokens), key=lambda t: t.frame)),
        words=tuple(sorted((w for c in named for w in c.words), key=lambda w: w.start)),
        segments=tuple(segments),
        warnings=_warnings(named),
        alternatives=(),
        language=main_language(segments) or named[0].language,
    )


def _warnings(channels: Sequence[Transcription]) -> tuple[str, ...]:
    """Those of the channels, each once, and that alternatives are left out."""
    found = [warning for channel in channels for warning in channel.warnings]
    if any(channel.alternatives for channel in channels):
        found.append(NONE_OF_CHANNELS)
    return tuple(dict.fromkeys(found))


def _turns(segments: Sequence[Segment]) -> list[str]:
    turns = groupby(segments, key=lambda segment: segment.speaker)
    return [
        f"{speaker}: {text_of(word for segment in turn for word in segment.words)}"
        for speaker, turn in turns
    ]


def _spoken_by(speaker: str, result: Transcription) -> Transcription:
    return replace(
        result,
        tokens=tuple(replace(token, speaker=speaker) for token in result.tokens),
        words=tuple(replace(word, speaker=speaker) for word in result.words),
        segments=tuple(
            replace(
                segment,
                speaker=speaker,
                words=tuple(replace(word, speaker=speaker) for word in segment.words),
            )
            for segment in split_at_pauses(result.segments)
        ),
    )
