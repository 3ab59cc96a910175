"""HTTP connections that may not be endless: what uvicorn leaves open is bounded here."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def bounded_protocol(max_connections: int, header_seconds: float) -> type[H11Protocol]:
    """Return uvicorn's protocol for at most so many connections, each with so much patience.

    A connection on which no request is running is closed `header_seconds` after it was made or
    began to send one, however little by little it sends. uvicorn itself would wait for ever.
    """

    class BoundedProtocol(H11Protocol):
        """A connection that has to send its request in time."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Refuse it if there are too many; otherwise wait for its request."""
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.write(_FULL)
                transport.close()
                return
            self._watch()

        def data_received(self, data: bytes) -> None:
            """Take data, and watch whether it is a request."""
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            """Wait for the next request, of which a part may be here already."""
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            """Forget the timer."""
            self._stop()
            super().connection_lost(exc)

        def _watch(self) -> None:
            cycle: Any = self.cycle
            upgraded = self.transport.get_protocol() is not self
            if upgraded or (cycle is not None and not cycle.response_complete):
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(header_seconds, self._too_slow)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _too_slow(self) -> None:
            self._timer = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.abort()

    return BoundedProtocol
