"""What a transcription consists of. Times are in seconds from the start of the recording.

`speaker` is None unless channels are transcribed each by itself; then it is the number of the
channel, from "1".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar


@dataclass(frozen=True, slots=True)
class Token:
    """One vocabulary entry that the model emitted.

    `frame` is the encoder frame at which it was emitted. `duration` is the number of frames that a
    token-and-duration transducer predicted for it; other heads predict none, and it is None.
    `confidence` is in [0, 1] (NeMo's `max_prob`).
    """

    id: int
    piece: str
    start: float
    end: float
    frame: int
    duration: int | None
    confidence: float
    speaker: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types; `duration` and `speaker` only where there are any."""
        fields: dict[str, Any] = {
            "id": self.id,
            "piece": self.piece,
            "start": self.start,
            "end": self.end,
            "frame": self.frame,
        }
        if self.duration is not None:
            fields["duration"] = self.duration
        fields["confidence"] = round(self.confidence, 6)
        return _with_speaker(fields, self.speaker)


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation; `confidence` is the lowest of its tokens'.

    In scripts without spaces, such as Japanese or Thai, a word is a token, or several tokens that a
    line may not be broken between (UAX 14). `space_before` is False for a word without a space
    between it and the word before; `word` itself has no space around it.
    """

    word: str
    start: float
    end: float
    confidence: float
    speaker: str | None = None
    space_before: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types: `space_before` if False, `speaker` if there is one."""
        fields: dict[str, Any] = {
            "word": self.word,
            "start": self.start,
            "end": self.end,
            "confidence": round(self.confidence, 6),
        }
        if not self.space_before:
            fields["space_before"] = False
        return _with_speaker(fields, self.speaker)


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive words up to and including one that ends a sentence, or the last of a language.

    `language` is what the model says with a tag, whose vocabulary the words are from, or what the
    model was told; None where nothing says.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...]
    speaker: str | None = None
    language: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types; `speaker` and `language` only where there are any."""
        fields: dict[str, Any] = {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "words": [word.to_dict() for word in self.words],
        }
        if self.language is not None:
            fields["language"] = self.language
        return _with_speaker(fields, self.speaker)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the texts that a beam search has found.

    `score` is the natural logarithm of its probability, with what a language model, phrases and
    `insertion_bonus` have added to it. It grows with the length of the text and the recording, so
    only those of one recording can be compared.
    """

    text: str
    tokens: tuple[Token, ...]
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            "text": self.text,
            "score": round(self.score, 6),
            "tokens": [token.to_dict() for token in self.tokens],
        }


@dataclass(frozen=True, slots=True)
class Transcription:
    """The result of `Model.transcribe`.

    `duration` is the length of the recording in seconds. `head` is the head that was used, "ctc",
    "rnnt" or "tdt". `model` is the name of the model, and `audio` the path that was given, None for
    samples. No time lies after the end of the recording. `warnings` says what was wrong with the
    recording, such as a stretch that is damaged, and where. `alternatives` are those that
    `Decoding.nbest` asks for, the best first, which is the text itself. There are none of digital
    silence, and none of recordings in windows or with their channels apart, with a warning.
    `language` is that of most words, such as "de-DE", as the model says with a tag or was told; of
    most tokens, where each language has a vocabulary; None where nothing says.
    """

    text: str
    duration: float
    words: tuple[Word, ...]
    segments: tuple[Segment, ...]
    tokens: tuple[Token, ...]
    head: str
    model: str
    audio: str | None = None
    warnings: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    language: str | None = None

    @property
    def decoder(self) -> str:
        """Older name of `head`."""
        return self.head

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: model, audio, duration, decoder, language if it is known, warnings,
        text and its parts, and alternatives if there are any.

        There "decoder" is the head.
        """
        fields: dict[str, Any] = {
            "model": self.model,
            "audio": self.audio,
            "duration": round(self.duration, 6),
            "decoder": self.head,
            **({} if self.language is None else {"language": self.language}),
            "warnings": list(self.warnings),
            "text": self.text,
            "words": [word.to_dict() for word in self.words],
            "segments": [segment.to_dict() for segment in self.segments],
            "tokens": [token.to_dict() for token in self.tokens],
        }
        if self.alternatives:
            fields["alternatives"] = [one.to_dict() for one in self.alternatives]
        return fields


Timed = TypeVar("Timed", Token, Word, Segment)


def text_of(words: Iterable[Word]) -> str:
    """Join words into text, with spaces where there are any."""
    return "".join(f" {word.word}" if word.space_before else word.word for word in words).lstrip()


def with_times(part: Timed, time: Callable[[float], float]) -> Timed:
    """Return `part` with `time` applied to its start and its end."""
    return replace(part, start=time(part.start), end=time(part.end))


def whole_milliseconds(duration: float) -> float:
    """Return the last whole millisecond of a recording: no format has finer times."""
    if math.isinf(duration):
        return duration
    return math.floor(round(duration * 1000, 6)) / 1000


def _with_speaker(fields: dict[str, Any], speaker: str | None) -> dict[str, Any]:
    return fields if speaker is None else {**fields, "speaker": speaker}
