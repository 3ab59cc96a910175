"""What a stream says of itself when a call returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from parrotlet.decoding.history import TextHistory, Words
from parrotlet.results import Word


@dataclass(frozen=True, slots=True)
class Event:
    """The end of an utterance, as the model itself marks it.

    `kind` is "EOU", or "EOB" for a backchannel such as "uh-huh"; `time` is in seconds from the
    start of the stream.
    """

    kind: str
    time: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What a stream has recognised when a call of `feed` returned. Later calls do not change it.

    `time` is how many seconds of the stream the decoder has seen. `unfinished` is the text after
    `final` as things stand: with greedy decoding the beginning of a word, with a beam any number
    of words, which the next call may replace. `words` are those of the whole text, the unfinished
    ones included, as a sequence that makes them when they are asked for. `language` is what the
    last tag says that the text before it is in, or what the model was told before the first; for a
    model with a vocabulary for each language, that of the last word.

    New since the call before are `new_words`, which have become final; `events`; and
    `new_lines`, the text that has become final, cut where an utterance or a sentence ended: each
    item but the last ends a line.
    """

    time: float
    unfinished: str
    words: Words
    new_words: tuple[Word, ...]
    new_lines: tuple[str, ...]
    events: tuple[Event, ...]
    _history: TextHistory = field(repr=False, compare=False)
    _final_size: int = field(repr=False)
    language: str | None = None

    @property
    def text(self) -> str:
        """Everything since the start of the stream."""
        return self.final + self.unfinished

    @property
    def final(self) -> str:
        """The part of `text` that will not change any more."""
        return self._history.text(0, self._final_size)

    def preview(self) -> Partial:
        """Return the same with nothing of it final."""
        return replace(
            self,
            unfinished=self.text,
            new_words=(),
            new_lines=("",),
            events=(),
            _final_size=0,
        )
