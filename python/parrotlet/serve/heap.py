"""The memory that a server keeps."""

from __future__ import annotations

import asyncio

from parrotlet import _core

PERIOD = 30.0
"""Seconds from one time to the next: what requests leave behind in that time is little."""


async def keep_heap_small(period: float = PERIOD) -> None:
    """Give memory that is free back to the system from time to time, until cancelled.

    Each of a server's threads leaves gaps in the heap which the C library keeps, and which grow
    for hours.
    """
    while True:
        await asyncio.sleep(period)
        await asyncio.to_thread(_core.give_back_heap)
