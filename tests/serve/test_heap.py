"""A server gives back the memory that requests have left between what is still in use."""

import asyncio
import contextlib
import platform
import resource
from pathlib import Path

import pytest

from parrotlet.serve.heap import keep_memory_small

BLOCK, COUNT = 600, 100_000
"""Bytes of a block, more than Python keeps in its own pools, and how many there are."""


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another heap")
def test_free_memory_between_blocks_is_given_back() -> None:
    blocks = [bytearray(BLOCK) for _ in range(COUNT)]
    kept = blocks[:: COUNT // 100]  # the last ones keep the heap as high as it is
    kept.append(blocks[-1])
    del blocks
    before = resident()

    async def once() -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(keep_memory_small(lambda: None, 0.01), 1)

    asyncio.run(once())
    assert len(kept) > 100
    assert before - resident() > 0.5 * BLOCK * COUNT


def test_scratch_is_released_again_and_again() -> None:
    calls = []

    async def thrice() -> None:
        task = asyncio.create_task(keep_memory_small(lambda: calls.append(1), 0.01))
        while len(calls) < 3:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(thrice(), 10))
    assert len(calls) >= 3
