"""Opening a piece of a recording, with FFmpeg where that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from parrotlet.audio.bare_samples import BareSamples
from parrotlet.audio.decoding import PieceDecoder, Stretch
from parrotlet.audio.demuxing import TIME_BASE, errors, open_container
from parrotlet.audio.findings import Findings
from parrotlet.audio.timeline import Timeline
from parrotlet.audio.tracks import Track, tracks_of
from parrotlet.audio.window import Window
from parrotlet.errors import AudioError


class Decoder(Protocol):
    """Decodes one track of a piece."""

    @property
    def stores_floats(self) -> bool:
        """Whether samples are in the file as they are, as floats."""

    @property
    def packets(self) -> int:
        """Packets that there were."""

    def stretches(self, block_values: int) -> Iterator[Stretch]:
        """Give all that can be decoded, at most `block_values` values of all channels at a time."""


class OpenPiece(Protocol):
    """A piece that is open: its sound tracks, and its length in seconds where that is known."""

    tracks: tuple[Track, ...]
    seconds: float | None

    def decoder(self, number: int, timeline: Timeline, findings: Findings) -> Decoder:
        """Return what decodes the track of this number, from 1."""

    def close(self) -> None:
        """Close what is open."""


class FFmpegPiece:
    """A piece that FFmpeg has opened."""

    def __init__(self, window: Window, container: Any) -> None:
        """Take tracks and length from `container`, which is open on `window`."""
        self._window = window
        self._container = container
        self.tracks = tracks_of(container)
        self.seconds = _seconds(window, container)

    def decoder(self, number: int, timeline: Timeline, findings: Findings) -> PieceDecoder:
        """Return what decodes the track of this number, from 1."""
        return PieceDecoder(self._container, self._window, number, timeline, findings)

    def close(self) -> None:
        """Close the container."""
        self._container.close()


def opened(window: Window) -> OpenPiece | None:
    """Open a piece; None for one that cannot be.

    Raises AudioError for what reading the recording has raised.
    """
    if (samples := BareSamples.of(window)) is not None:
        return samples
    try:
        return FFmpegPiece(window, open_container(window))
    except AudioError:
        raise
    except errors():
        return None


def _seconds(window: Window, container: Any) -> float | None:
    """Length of a piece as the container has it; None if it is not all of the recording."""
    if window.piece.start and not window.piece.prefix:
        return None
    return None if container.duration is None else float(container.duration / TIME_BASE)
