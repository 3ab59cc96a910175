"""What a stream has said so far, kept up token by token.

Settled tokens never change. A word of them that another one follows is final, and moves to compact
records; only the tokens of the last word are looked at again. Text and words beyond the final ones
are what closing the transcript would add as things stand. They are made anew from the last word and
the tentative tokens, so that the time per call depends on those and the new tokens alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from parrotlet.decoding.assemble import to_word
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.history import TextHistory, TokenHistory, WordHistory, Words
from parrotlet.decoding.partial import Event, Partial
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.unfinished import Finished, Unfinished
from parrotlet.results import Word, whole_milliseconds, with_times
from parrotlet.writing import ends_sentence


class Transcript:
    """The tokens of one stream as text, words and events."""

    def __init__(
        self,
        head: str,
        tokenizer: Tokenizer,
        frame_seconds: float,
        *,
        revises: bool = True,
        keep_tags: bool = False,
    ) -> None:
        """Start empty, for tokens of `head` ("ctc", "rnnt" or "tdt").

        `revises` is the search's: whether it may take tentative tokens back. If not, it gives one
        at most, of which only the confidence may change, and which finishes the word before it.
        `keep_tags` says that tags of languages are text.
        """
        self._frame_seconds = frame_seconds
        self._revises = revises
        self._tokens = TokenHistory()
        self._text = TextHistory()
        self._words = WordHistory(frame_seconds)
        self._tentative: Sequence[Emission] = ()
        self._unfinished = Unfinished(head, tokenizer, frame_seconds, keep_tags)
        self._language: str | None = None
        self._shown_language: str | None = None
        self._shown_text = ""  # after the final one
        self._shown_words: tuple[Word, ...] = ()
        self._line_start = True
        self._new_words: list[Word] = []
        self._new_lines = [""]
        self._events: list[Event] = []
        self._end = math.inf

    def extend(self, settled: Sequence[Emission], tentative: Sequence[Emission] = ()) -> None:
        """Add newly settled tokens, and replace the tentative ones after all settled ones."""
        if not (settled or tentative or self._tentative):
            return
        for emission in settled:
            self._tokens.append(emission)
        certain = list(settled)
        if not self._revises:
            certain += tentative
            if self._tentative:
                self._unfinished.correct_last(certain.pop(0))
        self._add(self._unfinished.take(certain))
        self._tentative = tuple(tentative)
        self._show()

    def close(self, duration: float = math.inf) -> None:
        """Make what is settled final: nothing follows. From now on no time is after `duration`."""
        self._add(self._unfinished.close())
        self._show()
        self._end = whole_milliseconds(duration)

    def partial(self, time: float, language: str | None = None) -> Partial:
        """Describe the state, and what is new since the last call of this method.

        `language` is what the text is in if nothing in it says so.
        """
        partial = Partial(
            time=time,
            unfinished=self._shown_text,
            words=Words(self._words, len(self._words), self._shown_words, self._end),
            new_words=tuple(
                with_times(word, lambda time: min(time, self._end)) for word in self._new_words
            ),
            new_lines=tuple(self._new_lines),
            events=tuple(self._events),
            language=self._shown_language or self._language or language,
            _history=self._text,
            _final_size=len(self._text),
        )
        self._new_words, self._new_lines, self._events = [], [""], []
        return partial

    def emissions(self) -> Iterator[Emission]:
        """Give all tokens from the start of the stream, the tentative ones last."""
        yield from self._tokens
        yield from self._tentative

    def _show(self) -> None:
        """Find what there would be beyond the final text if nothing followed."""
        beyond = self._unfinished.copy().close(self._tentative if self._revises else ())
        self._shown_text = "".join(part.text for part in beyond)
        self._shown_words = tuple(
            to_word(part.span, part.confidence, self._frame_seconds) for part in beyond if part.span
        )
        known = (part.language for part in reversed(beyond))
        self._shown_language = next((language for language in known if language), None)

    def _add(self, finished: Sequence[Finished]) -> None:
        """Make text final."""
        for part in finished:
            if part.language is not None:
                if not part.tag and self._language not in (None, part.language):
                    self._break_line()
                self._language = part.language
            self._text.append(part.text)
            self._new_lines[-1] += part.text.lstrip() if self._line_start else part.text
            self._line_start = self._line_start and not part.text.strip()
            if part.span:
                self._words.append(part.span, part.confidence)
                self._new_words.append(self._words[len(self._words) - 1])
            if part.event:
                self._events.append(part.event)
            if part.event or part.tag or (part.span and ends_sentence(part.span.text)):
                self._break_line()

    def _break_line(self) -> None:
        if not self._line_start:
            self._new_lines.append("")
            self._line_start = True
