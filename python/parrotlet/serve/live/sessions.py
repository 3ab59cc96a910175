"""The live sessions of a server, over all protocols."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parrotlet.serve.errors import ApiError


class LiveSessions:
    """Counts sessions, and refuses one too many."""

    def __init__(self) -> None:
        """Begin with none."""
        self.open = 0

    @contextmanager
    def place(self, most: int) -> Iterator[None]:
        """Hold a place among `most`. Raises ApiError 429 where there is none."""
        if self.open >= most:
            raise ApiError(
                429,
                f"{self.open} live sessions are open, which is the most; try again later",
                code="too_many_sessions",
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
