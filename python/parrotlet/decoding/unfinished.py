"""The tokens at the end of a stream whose text later tokens may still change.

A word is finished as soon as another one has begun after it, or the utterance has ended. What is
kept are the tokens of the last word and the few things about those before it that decide how they
read, so that taking tokens costs the same after an hour as at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

from parrotlet.decoding.assemble import word_confidence
from parrotlet.decoding.division import WORD_TOKENS
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.languages import first_tag, vocabulary_language
from parrotlet.decoding.partial import Event
from parrotlet.decoding.timestamps import Span, WordSpan, seconds, token_spans
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.words import grouped_tokens


@dataclass(frozen=True, slots=True)
class Finished:
    """Text that later tokens do not change.

    It is that of a word, which has a `span` and a `confidence`, or what stands after the last one.
    `event` says that an utterance ends there, and `tag` that a tag of a language stood there, or
    stands in it. `language` is what the tag says, or that of the vocabulary which the word is from.
    """

    text: str
    span: WordSpan | None = None
    confidence: float = 1.0
    event: Event | None = None
    tag: bool = False
    language: str | None = None


class Unfinished:
    """Takes tokens in order, and gives back text once it is finished."""

    def __init__(
        self, head: str, tokenizer: Tokenizer, frame_seconds: float, keep_tags: bool = False
    ) -> None:
        """Start a stream, for tokens of `head` ("ctc", "rnnt" or "tdt").

        `keep_tags` says that tags of languages are text.
        """
        self._head = head
        self._tokenizer = tokenizer
        self._frame_seconds = frame_seconds
        self._tokens: list[Emission] = []  # those after the last finished text
        self._before: Emission | None = None
        self._before_span: Span | None = None  # None at the start of an utterance
        self._after_space = True
        self._keep_tags = keep_tags
        self._after_tag = False  # of which no token is finished yet
        self._held = ""  # white space after the last finished word
        self._any_text = False
        self._utterance_has_text = False

    def copy(self) -> Unfinished:
        """Return one that stands where this one does, and goes on by itself."""
        result = copy(self)
        result._tokens = list(self._tokens)
        return result

    def correct_last(self, emission: Emission) -> None:
        """Take the last token once more, with another confidence."""
        # That of a token which ended an utterance is part of no word.
        if self._tokens:
            self._tokens[-1] = emission

    def take(self, emissions: Sequence[Emission]) -> list[Finished]:
        """Add tokens, and return what they finish."""
        return [*self._add(emissions), *self._followed_words()] if emissions else []

    def close(self, emissions: Sequence[Emission] = ()) -> list[Finished]:
        """Add the last tokens, and return all that is left: nothing follows."""
        ended = self._add(emissions)
        finished, space = self._all()
        return [*ended, *finished, Finished(space)]

    def _add(self, emissions: Sequence[Emission]) -> list[Finished]:
        """Add tokens, and return what those that end an utterance, or are tags, finish."""
        finished: list[Finished] = []
        for emission in emissions:
            kind = self._tokenizer.ends.get(emission.token)
            if kind is not None:
                finished += self._end_utterance(emission, kind)
            elif emission.token in self._tokenizer.tags and not self._keep_tags:
                finished += self._end_language(emission)
            else:
                self._tokens.append(emission)
        return finished

    def _end_language(self, tag: Emission) -> list[Finished]:
        # What follows goes on with the text, but with a word of its own.
        finished, _ = self._all()
        (span,), _ = token_spans([tag], self._head, self._tokenizer)
        self._before, self._before_span, self._after_tag = tag, span, True
        language = self._tokenizer.tags[tag.token]
        return [*finished, Finished("", tag=True, language=language)]

    def _end_utterance(self, end: Emission, kind: str) -> list[Finished]:
        # White space at the end of an utterance is left out.
        finished, _ = self._all()
        self._before, self._before_span = end, None
        self._utterance_has_text = self._after_tag = False
        event = Event(kind, seconds(end.frame, self._frame_seconds))
        return [*finished, Finished("", event=event)]

    def _all(self) -> tuple[list[Finished], str]:
        """Finish every word; return the words, and the white space after them."""
        words, spans = self._find_words()
        finished, done = self._finish([word for word in words if word.text])
        space = self._take_text(self._tokens[done:]) + self._held
        self._held = ""
        self._go_on_after(len(self._tokens), words, spans)
        return finished, space

    def _followed_words(self) -> list[Finished]:
        """Finish the words that another one follows."""
        words, spans = self._find_words()
        visible = [word for word in words if word.text]
        is_open = bool(visible) and not self._is_past(visible[-1])
        finished, done = self._finish(visible[:-1] if is_open else visible)
        if not is_open and len(self._tokens) - done > WORD_TOKENS:
            # None of these tokens can be seen, but the last ones may begin a word.
            last = words[-1].tokens[0] if words else 0
            last = last if last > done else len(self._tokens) - 1
            self._take_text(self._tokens[done:last])
            done = last
        self._go_on_after(done, words, spans)
        return finished

    def _is_past(self, word: WordSpan) -> bool:
        """Whether no later token can belong to `word`, the last one."""
        return len(self._tokens) - word.tokens[-1] > WORD_TOKENS

    def _find_words(self) -> tuple[list[WordSpan], list[Span]]:
        """Group the tokens into words, also those of which nothing can be seen.

        Return the frames of the tokens, too.
        """
        # The token before them decides where the first one starts.
        known = [] if self._before is None else [self._before]
        spans, texts = token_spans(
            [*known, *self._tokens], self._head, self._tokenizer, self._before_span
        )
        del spans[: len(known)], texts[: len(known)]
        ids = [emission.token for emission in self._tokens]
        first = self._before_span is None
        after_space = self._after_space
        if self._after_tag and self._utterance_has_text:
            after_space = self._tokenizer.following(ids)[:1].isspace()
        return grouped_tokens(ids, texts, spans, self._tokenizer, first, after_space), spans

    def _finish(self, words: Sequence[WordSpan]) -> tuple[list[Finished], int]:
        """Take the text of `words`, the first ones; return it, and how many tokens it has."""
        finished, done = [], 0
        for word in words:
            end = word.tokens[-1] + 1
            text = self._take_text(self._tokens[done:end])
            ids = [self._tokens[i].token for i in word.tokens]
            tag = first_tag(ids, self._tokenizer)
            language = tag or vocabulary_language(ids, self._tokenizer)
            confidence = word_confidence(word, self._tokens)
            finished.append(
                Finished(text, word, confidence, tag=tag is not None, language=language)
            )
            done = end
        return finished, done

    def _take_text(self, tokens: Sequence[Emission]) -> str:
        """Return what the next `tokens` add to the text that is finished.

        White space at its end is held back: punctuation would close it up.
        """
        ids = [emission.token for emission in tokens]
        if self._utterance_has_text:
            text = self._tokenizer.close_up(self._held + self._tokenizer.continuation(ids))
        else:
            text = self._tokenizer.transcript(ids)
            text = f" {text}" if text and self._any_text else text
        visible = text.rstrip()
        self._held = text[len(visible) :]
        self._utterance_has_text = self._utterance_has_text or bool(text)
        self._any_text = self._any_text or bool(visible)
        return visible

    def _go_on_after(self, done: int, words: Sequence[WordSpan], spans: Sequence[Span]) -> None:
        """Forget the first `done` tokens but for what later ones depend on."""
        if done:
            self._before, self._before_span = self._tokens[done - 1], spans[done - 1]
            self._tokens = self._tokens[done:]
            self._after_tag = False
        self._after_space = next((w.space_before for w in words if w.tokens[0] == done), True)
