"""Putting together what the windows of a recording say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from parrotlet.decoding.assemble import Parts, assemble
from parrotlet.decoding.division import may_begin_word
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.languages import Languages
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.longform.cutting import Window
from parrotlet.longform.merging import Overlap, merge
from parrotlet.results import Segment, Token, Word


class Assembler:
    """Takes the tokens of windows in order, and gives text and times of the whole recording."""

    def __init__(
        self,
        head: str,
        tokenizer: Tokenizer,
        sample_rate: int,
        frame_samples: int,
        languages: Languages | None = None,
    ) -> None:
        """Start empty, for tokens of `head`; an encoder frame is `frame_samples` long, and
        `languages` are as for `assemble`."""
        self._head = head
        self._tokenizer = tokenizer
        self._sample_rate = sample_rate
        self._frame_samples = frame_samples
        self._frame_seconds = frame_samples / sample_rate
        self._languages = languages
        self._window: Window | None = None
        self._settled: list[Emission] = []  # tokens of the section that later windows cannot change
        self._recent: list[Emission] = []
        self._texts: list[str] = []
        self._told = 0  # texts that `new_text` has given
        self._tokens: list[Token] = []
        self._words: list[Word] = []
        self._segments: list[Segment] = []

    def add(self, window: Window, emissions: Sequence[Emission]) -> None:
        """Add the tokens of the next window; their frames are counted from its start."""
        if window.first_of_section:
            self._finish_section()
        offset = self._frame(window.start, window)
        shifted = [replace(e, frame=e.frame + offset) for e in emissions] if offset else emissions
        if window.first_of_section:
            self._recent = list(shifted)
        else:
            overlap = Overlap(
                begin=offset,
                cut=self._frame(window.cut, window),
                end=self._frame(self._window.end if self._window else window.cut, window),
                frame_seconds=self._frame_seconds,
            )
            merged = merge(self._recent, shifted, overlap, self._begins_word)
            recent = next((i for i, e in enumerate(merged) if e.frame >= offset), len(merged))
            self._settled += merged[:recent]
            self._recent = merged[recent:]
        self._window = window

    def new_text(self) -> str:
        """Return what the sections that have ended add to the text since the last call."""
        before = any(self._texts[: self._told])
        new = " ".join(text for text in self._texts[self._told :] if text)
        self._told = len(self._texts)
        return f" {new}" if new and before else new

    def finish(self) -> Parts:
        """Return text, tokens, words and segments of the whole recording."""
        self._finish_section()
        return Parts(
            " ".join(text for text in self._texts if text),
            tuple(self._tokens),
            tuple(self._words),
            tuple(self._segments),
        )

    def _frame(self, position: int, window: Window) -> int:
        """Return the encoder frame, counted from the start of the section."""
        return (position - window.section_start) // self._frame_samples

    def _begins_word(self, token: int) -> bool:
        return may_begin_word(token, self._tokenizer)

    def _finish_section(self) -> None:
        section = self._settled + self._recent
        self._settled, self._recent = [], []
        if self._window is None or not section:
            return
        parts = assemble(section, self._head, self._tokenizer, self._frame_seconds, self._languages)
        start = self._window.section_start
        if start:
            parts = parts.later(start / self._sample_rate, round(start / self._frame_samples))
        self._texts.append(parts.text)
        self._tokens += parts.tokens
        self._words += parts.words
        self._segments += parts.segments
