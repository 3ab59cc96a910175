"""Opening a piece of a recording, with FFmpeg where that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
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
    """A piece that is open."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Its sound tracks."""

    @property
    def seconds(self) -> float | None:
        """Its length; None where that is not known."""

    def decoder(self, number: int, timeline: Timeline, findings: Findings) -> Decoder:
        """Return what decodes the track of this number, from 1."""

    def close(self) -> None:
        """Close what is open."""


class FFmpegPiece:
    """A piece that FFmpeg has opened."""

    def __init__(self, window: Window, container: Any) -> None:
        """Of `container`, which is open on `window`."""
        self._window = window
        self._container = container

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """Its sound tracks, which a piece whose track is chosen is not asked for."""
        return tracks_of(self._container)

    @property
    def seconds(self) -> float | None:
        """Its length as the container has it; None if it is not all of the recording."""
        if self._window.piece.start and not self._window.piece.prefix:
            return None
        duration = self._container.duration
        return None if duration is None else float(duration / TIME_BASE)

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
