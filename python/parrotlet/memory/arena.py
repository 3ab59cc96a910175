"""Scratch memory of the runtime: `csrc/runtime/buffer.h`, with sizes instead of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from parrotlet._core import sizes

HUGE_PAGE = 2 << 20
"""Bytes from which the runtime asks for huge pages, and of one of them (csrc/runtime/buffer.cpp)"""

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


class Arena:
    """Blocks that are given out in order, and kept until a larger one is needed in their place."""

    def __init__(self) -> None:
        """Start empty."""
        self._sizes: list[int] = []
        self._touched: list[int] = []
        self._block = self._used = 0

    def allocate(self, bytes: int) -> None:
        """Take room from the current block, or from the next, made anew if it is too small."""
        size = -(-bytes // sizes.ARENA_ALIGNMENT) * sizes.ARENA_ALIGNMENT
        if self._used and self._used + size > self._sizes[self._block]:
            self._block += 1
            self._used = 0
        if self._block == len(self._sizes):
            self._sizes.append(0)
            self._touched.append(0)
        if not self._sizes[self._block] or self._used + size > self._sizes[self._block]:
            self._sizes[self._block] = max(size, sizes.ARENA_BLOCK)
            self._touched[self._block] = 0
        self._used += size
        self._touched[self._block] = max(self._touched[self._block], self._used)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Give back at the end what is taken inside."""
        mark = self._block, self._used
        yield
        self._block, self._used = mark

    @property
    def resident(self) -> int:
        """Bytes in memory: what is allocated and never used costs nothing, but for the rest of a
        huge page."""
        return sum(map(_resident, self._sizes, self._touched))


def _resident(size: int, touched: int) -> int:
    whole = size // HUGE_PAGE * HUGE_PAGE  # the last, partly used page of a block is not huge
    if touched >= whole or not _has_huge_pages():
        return touched
    return -(-touched // HUGE_PAGE) * HUGE_PAGE


@cache
def _has_huge_pages() -> bool:
    try:
        return "[never]" not in _HUGE_PAGES.read_text()
    except OSError:
        return False
