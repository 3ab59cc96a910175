"""The memory that a server keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from parrotlet import _core

PERIOD = 30.0
"""Seconds from one time to the next: what requests leave behind in that time is little."""


async def keep_memory_small(release: Callable[[], None], period: float = PERIOD) -> None:
    """Give memory that is free back to the system from time to time, until cancelled.

    `release` frees what is kept for the next calls. Each of a server's threads leaves gaps in the
    heap besides, which the C library keeps, and which grow for hours.
    """
    while True:
        await asyncio.sleep(period)
        release()
        await asyncio.to_thread(_core.give_back_heap)
