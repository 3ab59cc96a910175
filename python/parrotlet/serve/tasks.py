"""Work that nobody may be left to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

_F = TypeVar("_F", bound="asyncio.Future[Any]")
_T = TypeVar("_T")


def unasked(future: _F) -> _F:
    """Return a future or task whose exception is nobody's if nobody asks for it.

    asyncio would write each to the log, and those of clients that are gone are many.
    """
    future.add_done_callback(_seen)
    return future


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


async def to_the_end(
    future: asyncio.Future[_T], give_up: Callable[[], object] = lambda: None
) -> _T:
    """Await the work of a thread, which nobody can cancel: its place is taken until it is done.

    Who is cancelled calls `give_up` and waits for that.
    """
    try:
        return await asyncio.shield(unasked(future))
    except asyncio.CancelledError:
        give_up()
        await asyncio.wait([future])
        raise
