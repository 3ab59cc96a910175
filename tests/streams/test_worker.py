"""Which of the jobs that wait take part in a group's next step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from parrotlet.streaming import Piece
from parrotlet.streams.worker import Job, Limit, Seat, share

FRAME = 0.08
PIECE = cast(Piece, SimpleNamespace())


def jobs(*waiting: tuple[int, float]) -> list[Job]:
    """Jobs of chunks of so many frames, submitted at these times."""
    return [Job(PIECE, Seat(n, n * FRAME), at) for n, at in waiting]


def test_all_go_without_a_limit() -> None:
    waiting = jobs((14, 1.0), (1, 1.01), (14, 1.02))
    assert share(waiting, None, 1.03) == (waiting, [])


def test_what_is_due_first_goes_first() -> None:
    long, short, later = waiting = jobs((14, 1.0), (1, 1.01), (2, 1.02))
    assert share(waiting, Limit(1, 15), 1.03) == ([short, later], [long])
    assert share(waiting, Limit(1, 17), 1.03) == ([short, later, long], [])


def test_the_shortest_chunks_all_go() -> None:
    """As they do where no others are."""
    waiting = jobs((2, 1.0), *((1, 1.0 + i / 1000) for i in range(20)))
    assert share(waiting, Limit(1, 14), 1.03) == (waiting[1:], waiting[:1])


def test_a_long_chunk_goes_beside_many_short_ones_when_it_is_due_first() -> None:
    waiting = jobs((14, 0.0), *((1, 1.05 + i / 1000) for i in range(20)))
    assert share(waiting, Limit(1, 14), 1.1) == (waiting, [])


@pytest.mark.parametrize("most", (1, 13))
def test_one_always_goes(most: int) -> None:
    first, second = waiting = jobs((14, 1.0), (14, 1.01))
    assert share(waiting, Limit(1, most), 1.03) == ([first], [second])


def test_all_go_where_others_would_be_late() -> None:
    """As one step of many, which takes less time than several."""
    waiting = jobs((1, 1.0), (14, 1.0), (14, 1.01))
    assert share(waiting, Limit(1, 14), 2.2)[1] == []
    assert share(waiting, Limit(1, 14), 1.1) == ([waiting[0]], waiting[1:])
