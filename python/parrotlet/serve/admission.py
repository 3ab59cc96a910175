"""How many recordings are recognised at a time, and how many wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from parrotlet.serve.errors import ApiError


class Admission:
    """A bounded queue: `max_running` work at a time, `max_queue` wait, more are refused.

    Those that wait are served in the order in which they asked to run.
    """

    def __init__(self, max_running: int, max_queue: int) -> None:
        """Begin with nobody."""
        self._most = max_running + max_queue
        self._free = asyncio.Semaphore(max_running)
        self._inside = 0
        self.running = 0

    @property
    def waiting(self) -> int:
        """Those inside that do not run, as they wait for others or still send their recording."""
        return self._inside - self.running

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Hold a place in the queue, as while a recording is sent.

        Raises ApiError 429 at once where there is none.
        """
        if self._inside >= self._most:
            raise ApiError(
                429,
                f"{self.running} recordings are being recognised and {self.waiting} wait; try "
                "again later",
                code="queue_full",
                headers={"Retry-After": str(max(1, self.waiting))},
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until fewer than `max_running` run, and be one of them; for who is inside."""
        async with self._free:
            self.running += 1
            try:
                yield
            finally:
                self.running -= 1

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Enter and wait for the turn; raises ApiError 429 as `enter`."""
        async with self.enter(), self.turn():
            yield
