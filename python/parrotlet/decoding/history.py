"""Compact records of what a stream has recognised: numbers and UTF-8, no object per entry.

An hour of speech has about 10,000 words and 20,000 tokens, here some 700 kB. Records only grow,
so a view of their first `n` entries stays what it was.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from parrotlet.decoding.emission import Emission
from parrotlet.decoding.timestamps import WordSpan, seconds
from parrotlet.results import Word, with_times


class TokenHistory:
    """Emitted tokens, at 18 bytes each."""

    def __init__(self) -> None:
        """Start empty."""
        self._ids = array("i")
        self._frames = array("i")
        self._durations = array("h")
        self._confidences = array("d")

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self._ids)

    def append(self, emission: Emission) -> None:
        """Add a token that will not change any more."""
        self._ids.append(emission.token)
        self._frames.append(emission.frame)
        self._durations.append(-1 if emission.duration is None else emission.duration)
        self._confidences.append(emission.confidence)

    def __iter__(self) -> Iterator[Emission]:
        """Give the tokens as they were added."""
        rows = zip(self._ids, self._frames, self._durations, self._confidences, strict=True)
        for token, frame, duration, confidence in rows:
            yield Emission(token, frame, None if duration < 0 else duration, confidence)


class TextHistory:
    """Text that grows at its end, in UTF-8."""

    def __init__(self) -> None:
        """Start empty."""
        self._data = bytearray()

    def __len__(self) -> int:
        """Count the bytes."""
        return len(self._data)

    def append(self, text: str) -> None:
        """Add `text`."""
        self._data += text.encode("utf-8", "surrogatepass")

    def text(self, start: int, end: int) -> str:
        """Return what lies between two lengths that the text has had."""
        return self._data[start:end].decode("utf-8", "surrogatepass")


class WordHistory:
    """Words, at 21 bytes each and those of their text."""

    def __init__(self, frame_seconds: float) -> None:
        """Start empty; `frame_seconds` is the distance of encoder frames."""
        self._frame_seconds = frame_seconds
        self._text = TextHistory()
        self._starts = array("i")
        self._ends = array("i")
        self._confidences = array("d")
        self._text_ends = array("i")
        self._spaces = bytearray()

    def __len__(self) -> int:
        """Count the words."""
        return len(self._text_ends)

    def append(self, span: WordSpan, confidence: float) -> None:
        """Add a word that will not change any more."""
        self._text.append(span.text)
        self._starts.append(span.start)
        self._ends.append(span.end)
        self._confidences.append(confidence)
        self._text_ends.append(len(self._text))
        self._spaces.append(span.space_before)

    def __getitem__(self, index: int) -> Word:
        """Return word `index`, counted from 0."""
        return Word(
            word=self._text.text(
                self._text_ends[index - 1] if index else 0, self._text_ends[index]
            ),
            start=seconds(self._starts[index], self._frame_seconds),
            end=seconds(self._ends[index], self._frame_seconds),
            confidence=self._confidences[index],
            space_before=bool(self._spaces[index]),
        )


class Words(Sequence[Word]):
    """The first words of a history, and after them those that may still change.

    Words are made when they are asked for, so that a view costs the same after an hour as at the
    start.
    """

    __slots__ = ("_end", "_history", "_rest", "_size")

    def __init__(
        self,
        history: WordHistory,
        size: int,
        rest: Sequence[Word] = (),
        end: float = math.inf,
    ) -> None:
        """View `size` words of `history`, no time of them after `end`, followed by `rest`."""
        self._history = history
        self._size = size
        self._rest = tuple(rest)
        self._end = end

    def __len__(self) -> int:
        """Count the words."""
        return self._size + len(self._rest)

    @overload
    def __getitem__(self, index: int) -> Word: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Word, ...]: ...

    def __getitem__(self, index: int | slice) -> Word | tuple[Word, ...]:
        """Return a word, or a tuple of several."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"word {index} of {len(self)}")
        if position >= self._size:
            return self._rest[position - self._size]
        return with_times(self._history[position], lambda time: min(time, self._end))

    def __eq__(self, other: object) -> bool:
        """Compare with another sequence, word by word."""
        if isinstance(other, (Words, tuple, list)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Write the words."""
        return repr(tuple(self))
