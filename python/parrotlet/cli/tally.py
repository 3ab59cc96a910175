"""Counting the recordings that are done and that failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from parrotlet.errors import ParrotletError


class Tally:
    """Recordings that are done, that failed, and that were done before."""

    def __init__(
        self, total: int, before: int = 0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to measure the time; of `total` recordings `before` need not be done again."""
        self.failures: list[ParrotletError] = []
        self._total = total
        self._before = before
        self._done = 0
        self._seconds = 0.0
        self._now = now
        self._start = now()

    def finish(self, seconds: float) -> None:
        """Count a recording of so many seconds."""
        self._done += 1
        self._seconds += seconds

    def fail(self, error: ParrotletError) -> None:
        """Count a recording that failed."""
        self.failures.append(error)

    def summary(self) -> Iterator[str]:
        """Give lines: how many are done, hours and speed, and why the others failed."""
        before = f", {self._before} done before" if self._before else ""
        yield f"{self._done} done, {len(self.failures)} failed{before}"
        took = max(self._now() - self._start, 1e-3)
        if self._done:
            yield (
                f"{self._seconds / 3600:.2f} hours of audio in {_clock(took)}: "
                f"RTFx {self._seconds / took:.1f} (seconds of audio per second)"
            )
        for error in self.failures:
            yield f"failed: {error}"

    def interrupted(self, can_resume: bool) -> str:
        """Say how many recordings are finished."""
        done = self._done + self._before
        failed = f" ({len(self.failures)} failed)" if self.failures else ""
        hint = "; the same command with --resume goes on there" if can_resume else ""
        return f"{done} of {self._total} recordings are finished{failed}{hint}"


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
