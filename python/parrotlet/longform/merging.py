"""Merging what two overlapping windows say, so that no word is dropped or doubled.

Both windows cover the overlap. Their tokens in it are aligned by identity and time. The transcript
changes over from the left window to the right one at a token on which they agree: tokens before it
are the left window's, tokens after it the right one's. The best place to change over is near the
pause in which the recording was cut (a window's first and last words are its worst), in a stretch
of agreement, between words, and in a run of blanks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from parrotlet.decoding.emission import Emission

TOLERANCE_SECONDS = 0.6
"""Most that two windows may differ on when a token was emitted."""

AGREEMENT = 4
"""Tokens around a place that should agree: half of them before it, half after."""

_COST_OF_DISTANCE = 1.0
"""Cost of a place at the end of the overlap, instead of at the cut."""
_COST_OF_DISAGREEMENT = 0.25
"""Cost of each of the tokens around a place that is no match."""
_COST_WITHIN_WORD = 0.5
_WORTH_OF_BLANKS = 0.5
"""What a second without tokens takes off the cost of a place."""
_COST_OF_TIME_ALONE = 1.5
"""Cost of changing over where nothing shows that the windows mean the same words."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """The encoder frames that two windows share, and the one where the recording was cut."""

    begin: int
    cut: int
    end: int
    frame_seconds: float

    @property
    def tolerance(self) -> int:
        """`TOLERANCE_SECONDS` in frames."""
        return round(TOLERANCE_SECONDS / self.frame_seconds)

    @property
    def half(self) -> int:
        """Frames from the cut to the further end."""
        return max(1, self.cut - self.begin, self.end - self.cut)


def merge(
    left: Sequence[Emission],
    right: Sequence[Emission],
    overlap: Overlap,
    begins_word: Callable[[int], bool],
) -> list[Emission]:
    """Return the tokens of two windows as those of one.

    Frames are counted from the same start in both, and never fall in the result. `begins_word` says
    of a token id whether a word may begin with it.
    """
    first = _first_from(left, overlap.begin - overlap.tolerance)
    shared_left = left[first:]
    shared_right = right[: _first_from(right, overlap.end + overlap.tolerance)]
    p, q = _change_over(shared_left, shared_right, overlap, begins_word)
    merged = [*left[: first + p]]
    for emission in right[q:]:
        if merged and emission.frame < merged[-1].frame:
            emission = replace(emission, frame=merged[-1].frame)
        merged.append(emission)
    return merged


def _first_from(emissions: Sequence[Emission], frame: int) -> int:
    return next((i for i, e in enumerate(emissions) if e.frame >= frame), len(emissions))


def _change_over(
    left: Sequence[Emission],
    right: Sequence[Emission],
    overlap: Overlap,
    begins_word: Callable[[int], bool],
) -> tuple[int, int]:
    """How many tokens of `left` to keep, and how many of `right` to leave out."""
    pairs = align(left, right, overlap.tolerance)
    best = (_COST_OF_TIME_ALONE, _by_time(left, right, overlap, begins_word))
    matches = set(pairs)
    for p, q in dict.fromkeys(place for i, j in pairs for place in ((i, j), (i + 1, j + 1))):
        before = left[p - 1].frame if p else overlap.begin
        after = right[q].frame if q < len(right) else overlap.end
        around = range(-(AGREEMENT // 2), AGREEMENT // 2)
        agreeing = sum(
            (p + k, q + k) in matches or _beyond(p + k, left, q + k, right) for k in around
        )
        within_word = q < len(right) and not begins_word(right[q].token)
        cost = (
            # A pause is as near to the cut as its nearest moment.
            _COST_OF_DISTANCE * max(0, before - overlap.cut, overlap.cut - after) / overlap.half
            + _COST_OF_DISAGREEMENT * (AGREEMENT - agreeing)
            + _COST_WITHIN_WORD * within_word
            - _WORTH_OF_BLANKS * min(1.0, (after - before) * overlap.frame_seconds)
        )
        if cost < best[0]:
            best = cost, (p, q)
    return best[1]


def _beyond(i: int, left: Sequence[Emission], j: int, right: Sequence[Emission]) -> bool:
    """Whether both have ended there, which is agreement too."""
    return (i < 0 and j < 0) or (i >= len(left) and j >= len(right))


def align(
    left: Sequence[Emission], right: Sequence[Emission], tolerance: int
) -> list[tuple[int, int]]:
    """Places (i, j) in `left` and `right`, in order, of equal tokens that belong together.

    They are at most `tolerance` frames apart. As many tokens as possible are paired; among equally
    many pairs, those nearest in time are taken, so that repeated tokens are paired rightly.
    """
    worth = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            worth[i][j] = max(
                worth[i + 1][j],
                worth[i][j + 1],
                worth[i + 1][j + 1] + _worth_of_pair(left[i], right[j], tolerance),
            )
    pairs = []
    i = j = 0
    while i < len(left) and j < len(right):
        if worth[i][j] == worth[i + 1][j]:
            i += 1
        elif worth[i][j] == worth[i][j + 1]:
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs


def _worth_of_pair(a: Emission, b: Emission, tolerance: int) -> float:
    apart = abs(a.frame - b.frame)
    if a.token != b.token or apart > tolerance:
        return -math.inf
    return 1.0 - 0.5 * apart / (tolerance + 1)


def _by_time(
    left: Sequence[Emission],
    right: Sequence[Emission],
    overlap: Overlap,
    begins_word: Callable[[int], bool],
) -> tuple[int, int]:
    """Change over between words at the cut; a word that one window alone has is kept.

    Where no token begins a word, as in a vocabulary of letters without a space, any token may.
    """
    cut, tolerance = overlap.cut, overlap.tolerance
    starts_left = [i for i, e in enumerate(left) if begins_word(e.token)] or range(len(left))
    starts_right = [i for i, e in enumerate(right) if begins_word(e.token)] or range(len(right))
    later = (right[i].frame for i in starts_right if right[i].frame >= cut)
    until = max(cut, next(later, math.inf) - tolerance)
    p = next((i for i in starts_left if left[i].frame >= until), len(left))
    after: float = cut
    if p:
        last = left[p - 1].frame
        after = last + tolerance if last + tolerance < cut else max(cut, last + 1)
    elif right:
        after = right[0].frame
    q = next((i for i in starts_right if right[i].frame >= after), len(right))
    return p, q
