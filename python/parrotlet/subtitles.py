"""Dividing words into subtitles: short lines, shown as long as they can be read.

The rules are those of broadcasters: at most two lines of 42 characters, on screen for 1 to 7
seconds, broken where the speaker pauses or where punctuation stands. Where to break is chosen for
a whole phrase at once, by dynamic programming over its words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from parrotlet.decoding.timestamps import SEGMENT_SEPARATORS
from parrotlet.results import Segment, Word

LINE_LENGTH = 42
"""Characters on a line; a longer word stays whole."""

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

CLAUSE_MARKS = (",", ";", ":", "\N{EN DASH}", "\N{EM DASH}")

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
    """A subtitle: one or two lines from `start` to `end`, in seconds, and the words on them."""

    start: float
    end: float
    lines: tuple[str, ...]
    words: tuple[Word, ...] = ()
    speaker: str | None = None


def cues(segments: Iterable[Segment]) -> list[Cue]:
    """Divide segments into subtitles. Speakers that talk at once get cues at the same time."""
    spoken = [word for segment in segments for word in segment.words]
    found: list[Cue] = []
    for speaker in _in_order_of_appearance(spoken):
        groups = [
            group
            for phrase in phrases(word for word in spoken if word.speaker == speaker)
            for group in _divide(phrase)
        ]
        starts = [spoken_start(group[0]) for group in groups]
        for i, group in enumerate(groups):
            end = _cue_end(group, starts[i], starts[i + 1 :])
            found.append(Cue(starts[i], end, _lines(group), tuple(group), speaker))
    return sorted(found, key=lambda cue: cue.start)


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

    Models without punctuation say nothing of where a sentence ends: all of a recording is one
    segment.
    """
    for segment in segments:
        for words in phrases(segment.words):
            text = " ".join(word.word for word in words)
            yield Segment(
                text, spoken_start(words[0]), words[-1].end, tuple(words), segment.speaker
            )


def spoken_start(word: Word) -> float:
    """When a word is heard to begin, in seconds; see `WORD_SECONDS`."""
    return round(max(word.start, word.end - WORD_SECONDS), 6)


def _in_order_of_appearance(words: Sequence[Word]) -> list[str | None]:
    return list(dict.fromkeys(word.speaker for word in words))


def _divide(words: Sequence[Word]) -> list[Sequence[Word]]:
    """Choose the breaks of one phrase: the cheapest way to divide it into cues."""
    n = len(words)
    starts = [spoken_start(word) for word in words]
    ends_sentence = [_ends_sentence(word) for word in words]
    breaks = [
        _break_cost(words[j - 1], starts[j] - words[j - 1].end) if j else 0.0 for j in range(n)
    ]
    columns = list(accumulate((len(word.word) + 1 for word in words), initial=0))
    best = [0.0] + [float("inf")] * n  # cost of dividing the first words
    begins = [0] * (n + 1)  # and where the last cue of that begins
    for i in range(n):
        within = 0.0
        for j in range(i + 1, n + 1):
            if j > i + 1:
                if words[j - 1].end - starts[i] > CUE_SECONDS or not _fits(columns, i, j):
                    break
                within += _COST_OF_SENTENCE_END_WITHIN * ends_sentence[j - 2]
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
    if _ends_sentence(word):
        return 0.0
    at_mark = word.word.endswith(CLAUSE_MARKS)
    cost = _COST_OF_BREAK_AT_MARK if at_mark else _COST_OF_BREAK_AT_WORD
    return max(0.0, cost - _WORTH_OF_PAUSE * max(0.0, pause))


def _ends_sentence(word: Word) -> bool:
    return word.word.endswith(SEGMENT_SEPARATORS)


def _cue_end(words: Sequence[Word], start: float, later: Sequence[float]) -> float:
    """End of a cue: long enough to be read, and not after the next cue's start."""
    end = min(max(words[-1].end, start + CUE_MIN_SECONDS), start + CUE_SECONDS)
    following = next((time for time in later if time > start), None)
    return round(end if following is None else min(end, following), 6)


def _fits(columns: Sequence[int], i: int, j: int) -> bool:
    """Whether words `i` up to `j` go on two lines; `columns` are where each begins on one line."""
    if columns[j] - columns[i] - 1 <= LINE_LENGTH:
        return True
    # As much as possible on the first line.
    split = bisect_right(columns, columns[i] + LINE_LENGTH + 1) - 1
    return split > i and columns[j] - columns[split] - 1 <= LINE_LENGTH


def _lines(words: Sequence[Word]) -> tuple[str, ...]:
    """Set words in one line, or in two: broken at punctuation, or about as long as each other."""
    texts = [word.word for word in words]
    whole = " ".join(texts)
    if len(whole) <= LINE_LENGTH or len(texts) < MAX_LINES:
        return (whole,)
    marks = (*SEGMENT_SEPARATORS, *CLAUSE_MARKS)
    best: tuple[tuple[bool, bool, int], tuple[str, str]] | None = None
    length = -1
    for text in texts[:-1]:
        length += 1 + len(text)
        longer = max(length, len(whole) - length - 1)
        rank = (longer > LINE_LENGTH, not text.endswith(marks), longer)
        if best is None or rank < best[0]:
            best = rank, (whole[:length], whole[length + 1 :])
    assert best is not None
    return best[1]
