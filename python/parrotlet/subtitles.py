"""Dividing words into subtitles: short lines, shown as long as they can be read.

The rules are those of broadcasters: at most two lines of 42 characters, on screen for 1 to 7
seconds, broken where the speaker pauses or where punctuation stands. Where to break is chosen for
a whole phrase at once, by dynamic programming over its words.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from parrotlet.results import Segment, Word, text_of, whole_milliseconds
from parrotlet.writing import columns, ends_clause, ends_sentence

LINE_LENGTH = 42
"""Characters on a line, where wide ones count two; a longer word stays whole."""

MAX_LINES = 2
"""Lines of a cue."""

CUE_SECONDS = 7.0
"""Longest time that a cue is shown."""

CUE_MIN_SECONDS = 1.0
"""Shortest time that a cue is shown, as far as the next one lets it."""

CUE_GAP = 1.5
"""A pause of so many seconds between two words always ends a cue."""

WORD_SECONDS = 2.0
"""A word is taken to be spoken for so long at most. A CTC word begins where the one before it
ended (NeMo's rule), also after a pause, and must not be shown through it."""

# Costs of breaking, and of not breaking, in units of a break in the middle of a clause.
_COST_OF_CUE = 0.5
_COST_OF_BREAK_AT_MARK = 0.3
_COST_OF_BREAK_AT_WORD = 1.0
_WORTH_OF_PAUSE = 0.8
"""What a pause of a second takes off the cost of a break."""
_COST_OF_SENTENCE_END_WITHIN = 1.0
_COST_OF_SHORT_CUE = 100.0


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: the words of one or two lines, from `start` to `end`, in seconds.

    `language` is that of its segment, if it is known.
    """

    start: float
    end: float
    rows: tuple[tuple[Word, ...], ...]
    speaker: str | None = None
    language: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line."""
        return tuple(text_of(row) for row in self.rows)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all lines."""
        return tuple(word for row in self.rows for word in row)


def cues(segments: Iterable[Segment], duration: float = math.inf) -> list[Cue]:
    """Divide segments into subtitles, none of which lasts beyond `duration`, in seconds.

    Speakers that talk at once get cues at the same time. No cue has words of two languages.
    """
    last = whole_milliseconds(duration)
    segments = list(segments)
    found: list[Cue] = []
    for speaker in _in_order_of_appearance([w for segment in segments for w in segment.words]):
        groups = [
            (group, language)
            for language, words in _by_language(segments, speaker)
            for phrase in phrases(words)
            for group in _divide(phrase)
        ]
        starts = [_cue_start(group, last) for group, _ in groups]
        for i, (group, language) in enumerate(groups):
            end = min(_cue_end(group, starts[i], starts[i + 1 :]), last)
            found.append(Cue(starts[i], end, _rows(group), speaker, language))
    return sorted(found, key=lambda cue: cue.start)


def _by_language(
    segments: Iterable[Segment], speaker: str | None
) -> Iterator[tuple[str | None, list[Word]]]:
    """Give the words of a speaker, as long as the language stays the same at a time."""
    for language, alike in groupby(segments, key=lambda segment: segment.language):
        words = (word for segment in alike for word in segment.words)
        yield language, [word for word in words if word.speaker == speaker]


def phrases(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Divide words at pauses of `CUE_GAP` and where the speaker changes."""
    current: list[Word] = []
    for word in words:
        if current and (
            spoken_start(word) - current[-1].end >= CUE_GAP or word.speaker != current[-1].speaker
        ):
            yield current
            current = []
        current.append(word)
    if current:
        yield current


def split_at_pauses(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Divide each segment at its pauses.

    Models without punctuation do not show where a sentence ends, so that a whole recording is one
    segment.
    """
    for segment in segments:
        for words in phrases(segment.words):
            start, end = spoken_start(words[0]), words[-1].end
            yield replace(segment, text=text_of(words), start=start, end=end, words=tuple(words))


def spoken_start(word: Word) -> float:
    """When a word begins to sound, in seconds; see `WORD_SECONDS`."""
    return round(max(word.start, word.end - WORD_SECONDS), 6)


def _in_order_of_appearance(words: Sequence[Word]) -> list[str | None]:
    return list(dict.fromkeys(word.speaker for word in words))


def _divide(words: Sequence[Word]) -> list[Sequence[Word]]:
    """Choose the breaks of one phrase: the cheapest way to divide it into cues."""
    n = len(words)
    starts = [spoken_start(word) for word in words]
    sentence_ends = [ends_sentence(word.word) for word in words]
    breaks = [
        _break_cost(words[j - 1], starts[j] - words[j - 1].end) if j else 0.0 for j in range(n)
    ]
    line = _Line(words)
    best = [0.0] + [float("inf")] * n  # cost of dividing the first words
    begins = [0] * (n + 1)  # and where the last cue of that begins
    for i in range(n):
        within = 0.0
        for j in range(i + 1, n + 1):
            if j > i + 1:
                if words[j - 1].end - starts[i] > CUE_SECONDS or not _fits(line, i, j):
                    break
                within += _COST_OF_SENTENCE_END_WITHIN * sentence_ends[j - 2]
            cost = best[i] + _COST_OF_CUE + within
            if j < n:
                cost += breaks[j]
                missing = CUE_MIN_SECONDS - (starts[j] - starts[i])
                cost += _COST_OF_SHORT_CUE * (1.0 + missing) if missing > 1e-6 else 0.0
            if cost < best[j]:
                best[j], begins[j] = cost, i
    groups: list[Sequence[Word]] = []
    while n:
        groups.append(words[begins[n] : n])
        n = begins[n]
    return groups[::-1]


def _break_cost(word: Word, pause: float) -> float:
    """Cost of a break after `word`, which `pause` seconds of silence follow."""
    if ends_sentence(word.word):
        return 0.0
    cost = _COST_OF_BREAK_AT_MARK if ends_clause(word.word) else _COST_OF_BREAK_AT_WORD
    return max(0.0, cost - _WORTH_OF_PAUSE * max(0.0, pause))


def _cue_start(words: Sequence[Word], last: float) -> float:
    """Start of a cue: with its first word, unless the recording ends at that moment, `last`."""
    start = spoken_start(words[0])
    return start if start < last else max(0.0, last - CUE_MIN_SECONDS)


def _cue_end(words: Sequence[Word], start: float, later: Sequence[float]) -> float:
    """End of a cue: long enough to be read, and not after the next cue's start."""
    end = min(max(words[-1].end, start + CUE_MIN_SECONDS), start + CUE_SECONDS)
    following = next((time for time in later if time > start), None)
    return round(end if following is None else min(end, following), 6)


def _fits(line: _Line, i: int, j: int) -> bool:
    """Whether words `i` up to `j` go on two lines."""
    if line.width(i, j) <= LINE_LENGTH:
        return True
    # As much as possible on the first line.
    split = bisect_right(line.ends, line.begins[i] + LINE_LENGTH)
    return split > i and line.width(split, j) <= LINE_LENGTH


def _rows(words: Sequence[Word]) -> tuple[tuple[Word, ...], ...]:
    """Set words in one line, or in two: broken at punctuation, or about as long as each other."""
    n = len(words)
    line = _Line(words)
    if line.width(0, n) <= LINE_LENGTH or n < MAX_LINES:
        return (tuple(words),)

    def rank(split: int) -> tuple[bool, bool, int]:
        longer = max(line.width(0, split), line.width(split, n))
        last = words[split - 1].word
        return longer > LINE_LENGTH, not (ends_sentence(last) or ends_clause(last)), longer

    split = min(range(1, n), key=rank)
    return tuple(words[:split]), tuple(words[split:])


class _Line:
    """Where each word begins and ends if all of them stand on one line, in columns."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.begins: list[int] = []
        self.ends: list[int] = []
        column = 0
        for word in words:
            self.begins.append(column + word.space_before)
            column = self.begins[-1] + columns(word.word)
            self.ends.append(column)

    def width(self, i: int, j: int) -> int:
        """Columns of words `i` up to `j` on a line of their own."""
        return self.ends[j - 1] - self.begins[i]
