"""What a stream has said so far, kept up token by token.

Greedy decoding never takes a token back, so a word is final as soon as another one has begun after
it, be it with a tentative token, of which only the confidence may change. Final words and their
tokens move to compact records; only the tokens of the last word are looked at again. The time per
call depends on the new tokens alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from parrotlet.decoding.assemble import to_word, word_confidence
from parrotlet.decoding.division import WORD_TOKENS
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.history import TextHistory, TokenHistory, WordHistory, Words
from parrotlet.decoding.timestamps import Span, WordSpan, seconds, token_spans
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.words import grouped_tokens
from parrotlet.results import Word, whole_milliseconds, with_times
from parrotlet.writing import ends_sentence


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
    `final`, the beginning of a word. `words` are those of the whole text, the unfinished one
    included, as a sequence that makes them when they are asked for.

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

    @property
    def text(self) -> str:
        """Everything since the start of the stream."""
        return self.final + self.unfinished

    @property
    def final(self) -> str:
        """The part of `text` that will not change any more: all but a word that may grow."""
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


class Transcript:
    """The tokens of one stream as text, words and events."""

    def __init__(self, head: str, tokenizer: Tokenizer, frame_seconds: float) -> None:
        """Start empty, for tokens of `head` ("ctc", "rnnt" or "tdt")."""
        self._head = head
        self._tokenizer = tokenizer
        self._frame_seconds = frame_seconds
        self._tokens = TokenHistory()
        self._text = TextHistory()
        self._words = WordHistory(frame_seconds)
        # Tokens after the last final word, and the one before them. The last token may be
        # tentative, so the latter is no record yet either.
        self._open: list[Emission] = []
        self._before: Emission | None = None
        self._before_span: Span | None = None
        self._last_is_tentative = False
        self._utterance_start = True
        self._text_start = True
        self._after_space = True
        self._held = ""  # white space after the last final word
        self._line_start = True
        self._last_word: WordSpan | None = None
        self._unfinished = ""
        self._new_words: list[Word] = []
        self._new_lines = [""]
        self._events: list[Event] = []
        self._end = math.inf

    def extend(self, settled: Sequence[Emission], tentative: Sequence[Emission] = ()) -> None:
        """Add newly settled tokens, and after them the tentative one if there is one.

        The call that follows gives a tentative token again, settled or not, before all others.
        """
        emitted = [*settled, *tentative]
        if self._last_is_tentative:
            self._replace_last(emitted.pop(0))
        self._last_is_tentative = len(tentative) > 0
        for emission in emitted:
            kind = self._tokenizer.ends.get(emission.token)
            if kind is None:
                self._open.append(emission)
            else:
                self._end_utterance(emission, kind)
        if emitted:
            self._settle()

    def close(self, duration: float = math.inf) -> None:
        """Make everything final: nothing follows. From now on no time is after `duration`."""
        self._settle(closing=True)
        self._end = whole_milliseconds(duration)

    def partial(self, time: float) -> Partial:
        """Describe the state, and what is new since the last call of this method."""
        last = None
        if self._last_word is not None:
            last = to_word(self._last_word, self._open, self._frame_seconds)
        partial = Partial(
            time=time,
            unfinished=self._unfinished,
            words=Words(self._words, len(self._words), last, self._end),
            new_words=tuple(
                with_times(word, lambda time: min(time, self._end)) for word in self._new_words
            ),
            new_lines=tuple(self._new_lines),
            events=tuple(self._events),
            _history=self._text,
            _final_size=len(self._text),
        )
        self._new_words, self._new_lines, self._events = [], [""], []
        return partial

    def emissions(self) -> Iterator[Emission]:
        """Give all tokens from the start of the stream."""
        yield from self._tokens
        if self._before is not None:
            yield self._before
        yield from self._open

    def _replace_last(self, emission: Emission) -> None:
        """Take the last token as it is now."""
        if self._open:
            self._open[-1] = emission
        else:
            self._before = emission

    def _end_utterance(self, end: Emission, kind: str) -> None:
        self._settle(closing=True, strip=True)
        self._record([end])
        self._before_span = None
        self._utterance_start = self._text_start = True
        self._events.append(Event(kind, seconds(end.frame, self._frame_seconds)))
        self._break_line()

    def _settle(self, closing: bool = False, strip: bool = False) -> None:
        """Make the words final that another one follows, and the last one too when `closing`.

        `strip` leaves out white space after the last one.
        """
        words, spans = self._find_words()
        open_, done = self._open, 0
        visible = [word for word in words if word.text]
        self._last_word = None
        if visible and not closing and not self._is_past(visible[-1]):
            self._last_word = visible.pop()
        for word in visible:
            confidence = word_confidence(word, open_)
            end = word.tokens[-1] + 1
            self._finish_word(word, confidence, self._take_text(open_[done:end]))
            done = end
        if closing:
            text = self._take_text(open_[done:]) + self._held
            self._append_text("" if strip else text)
            self._held = ""
            done = len(open_)
        elif self._last_word is None and len(open_) - done > WORD_TOKENS:
            # None of these tokens can be seen, but the last ones may begin a word.
            last = words[-1].tokens[0] if words and words[-1].tokens[0] > done else len(open_) - 1
            self._take_text(open_[done:last])
            done = last
        self._open = open_[done:]
        if done:
            self._before_span = spans[done - 1]
        self._after_space = next((w.space_before for w in words if w.tokens[0] == done), True)
        if self._last_word is not None:
            self._last_word.tokens = [i - done for i in self._last_word.tokens]
        self._unfinished = "" if closing else self._text_after(self._open)

    def _is_past(self, word: WordSpan) -> bool:
        """Whether no later token can belong to `word`, the last of the open ones."""
        return len(self._open) - word.tokens[-1] > WORD_TOKENS

    def _find_words(self) -> tuple[list[WordSpan], list[Span]]:
        """Group the open tokens into words, also those of which nothing can be seen.

        Return the frames of the tokens, too.
        """
        # The token before them decides where the first one starts.
        known = [] if self._before is None else [self._before]
        tokens = [*known, *self._open]
        spans, texts = token_spans(tokens, self._head, self._tokenizer, self._before_span)
        del spans[: len(known)], texts[: len(known)]
        ids = [emission.token for emission in self._open]
        words = grouped_tokens(
            ids, texts, spans, self._tokenizer, self._utterance_start, self._after_space
        )
        return words, spans

    def _take_text(self, tokens: Sequence[Emission]) -> str:
        """Record the next `tokens`, and return what they add to the text that is final.

        White space at its end is not final yet: punctuation would close it up.
        """
        text = self._text_after(tokens)
        self._record(tokens)
        self._text_start = self._text_start and not text
        visible = text.rstrip()
        self._held = text[len(visible) :]
        return visible

    def _text_after(self, tokens: Sequence[Emission]) -> str:
        """Return what `tokens` add to the text that is final."""
        ids = [emission.token for emission in tokens]
        if self._text_start:
            text = self._tokenizer.transcript(ids)
            return f" {text}" if text and len(self._text) else text
        return self._tokenizer.close_up(self._held + self._tokenizer.continuation(ids))

    def _record(self, tokens: Sequence[Emission]) -> None:
        for emission in tokens:
            if self._before is not None:
                self._tokens.append(self._before)
            self._before = emission
            self._utterance_start = False

    def _finish_word(self, word: WordSpan, confidence: float, text: str) -> None:
        self._words.append(word, confidence)
        self._new_words.append(self._words[len(self._words) - 1])
        self._append_text(text)
        if ends_sentence(word.text):
            self._break_line()

    def _append_text(self, text: str) -> None:
        self._text.append(text)
        self._new_lines[-1] += text.lstrip() if self._line_start else text
        self._line_start = self._line_start and not text.strip()

    def _break_line(self) -> None:
        if not self._line_start:
            self._new_lines.append("")
            self._line_start = True
