"""Reading events from clients that nobody knows."""

from __future__ import annotations

import asyncio
from typing import cast

from wyoming.event import Event, async_read_event


class BadEventError(Exception):
    """What came is no event, or too large for one."""


class _Bounded:
    """A reader that believes no length beyond a limit."""

    def __init__(self, reader: asyncio.StreamReader, most_bytes: int) -> None:
        self._reader = reader
        self._most = most_bytes
        self.header = b""

    async def readline(self) -> bytes:
        """Read a header; the other reader has a limit for it."""
        self.header = await self._reader.readline()
        return self.header

    async def readexactly(self, n: int) -> bytes:
        """Read data or payload. Raises BadEventError for too much."""
        if n > self._most:
            raise BadEventError(f"{n} bytes are announced; {self._most} are the most")
        return await self._reader.readexactly(n)


async def read_event(reader: asyncio.StreamReader, most_bytes: int) -> Event | None:
    """Return the next event, None at the end. Raises BadEventError."""
    bounded = _Bounded(reader, most_bytes)
    try:
        event = await async_read_event(cast(asyncio.StreamReader, bounded))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    # Header or data may be any JSON.
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadEventError(f"what came is no event ({error!r:.200})") from error
    if event is None and bounded.header:
        raise BadEventError("what came is no event: header or data are no JSON")
    if event is not None and not (isinstance(event.type, str) and isinstance(event.data, dict)):
        raise BadEventError("what came is no event: type is text, and data are an object")
    return event
