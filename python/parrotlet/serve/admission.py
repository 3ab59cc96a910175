"""How many recordings are recognised at a time, and how many wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from parrotlet.serve.errors import ApiError


class Admission:
    """A bounded queue: `max_running` work at a time, `max_queue` wait, more are refused.

    Those that wait are served in the order in which they came.
    """

    def __init__(self, max_running: int, max_queue: int) -> None:
        """Begin with nobody."""
        self._max_running = max_running
        self._max_queue = max_queue
        self._free = asyncio.Semaphore(max_running)
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Raises ApiError 429 at once where too many wait already.
        """
        self.check()
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._free.release()

    def check(self) -> None:
        """Raise ApiError 429 where too many wait."""
        if self.running >= self._max_running and self.waiting >= self._max_queue:
            raise ApiError(
                429,
                f"{self.running} recordings are being recognised and {self.waiting} wait; try "
                "again later",
                code="queue_full",
                headers={"Retry-After": str(self._retry_seconds())},
            )

    def _retry_seconds(self) -> int:
        """About how long it may take until a place is free: a second for each that waits."""
        return max(1, self.waiting)
