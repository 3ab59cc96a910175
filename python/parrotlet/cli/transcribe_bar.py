"""The progress of a transcription: how much is done, how fast it goes, how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from parrotlet.batch import Progress
from parrotlet.cli.console import Bar


class TranscribeBar:
    """Draws `Progress` on a terminal. Recordings count as much as their files are large."""

    def __init__(
        self, enabled: bool, names: Sequence[str], now: Callable[[], float] = time.monotonic
    ) -> None:
        """For recordings of these names."""
        sizes = [_size(name) for name in names]
        known = [size for size in sizes if size]
        mean = sum(known) / len(known) if known else 1.0
        self._sizes = [size or mean for size in sizes]
        self._several = len(names) > 1
        self._now = now
        self._start = now()
        self._finished = 0
        self._finished_size = 0.0
        self._bar = Bar(enabled, total=sum(self._sizes), label="reading")

    def __enter__(self) -> TranscribeBar:
        """Start the delay."""
        self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.__exit__(None, None, None)

    def paused(self) -> AbstractContextManager[None]:
        """Take the bar away while something else is printed."""
        return self._bar.paused()

    def update(self, progress: Progress) -> None:
        """Show how far things are."""
        while self._finished < min(progress.finished, len(self._sizes)):
            self._finished_size += self._sizes[self._finished]
            self._finished += 1
        part: float | None = 0.0
        if self._finished < len(self._sizes):
            # A pipe, or a header without a length, does not tell how much is left of a recording.
            part = min(progress.done / progress.duration, 1.0) if progress.duration else None
        speed = progress.seconds / max(self._now() - self._start, 1e-3)
        name = Path(progress.audio).name
        if self._several:
            name += f" ({progress.finished + 1} of {len(self._sizes)})"
        size = self._sizes[self._finished] if self._finished < len(self._sizes) else 0.0
        unknown = part is None and not self._several
        self._bar.update(
            None if unknown else self._finished_size + (part or 0.0) * size,
            name,
            f"{progress.seconds:.0f} s, {speed:.0f}x" if unknown else f"{speed:.0f}x",
        )


def _size(name: str) -> int:
    try:
        return Path(name).stat().st_size
    except OSError:
        return 0
