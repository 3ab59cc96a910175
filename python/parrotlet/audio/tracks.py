"""The sound tracks of a recording, and which of them is transcribed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parrotlet.audio.demuxing import decoded, open_container, packets
from parrotlet.audio.frames import samples_of
from parrotlet.audio.pieces import Piece
from parrotlet.audio.source import Contents
from parrotlet.audio.window import Window
from parrotlet.errors import AudioError

SILENCE = 1e-3
"""A track whose samples are never larger is silent: -60 dB of full scale."""

_ASIDE = re.compile(
    r"\b(commentary|audio.?descri\w+|descriptive|visually impaired)\b", re.IGNORECASE
)
_ASIDE_FLAGS = ("comment", "visual_impaired", "descriptions")


@dataclass(frozen=True, slots=True)
class Track:
    """A sound track; `number` counts from 1.

    `codec` is None if FFmpeg cannot decode it. `flags` are FFmpeg's dispositions, such as
    "default" and "comment".
    """

    number: int
    codec: str | None
    channels: int
    sample_rate: int
    language: str | None
    title: str | None
    flags: tuple[str, ...]

    @property
    def aside(self) -> bool:
        """Whether it is a commentary, or a description for people who cannot see the picture."""
        return any(flag in self.flags for flag in _ASIDE_FLAGS) or bool(
            self.title and _ASIDE.search(self.title)
        )

    def __str__(self) -> str:
        """Return how the track is listed."""
        parts = [f"track {self.number}: {self.codec or 'codec not known'}"]
        parts.append("1 channel" if self.channels == 1 else f"{self.channels} channels")
        parts.extend(part for part in (self.language, self.title) if part)
        if self.flags:
            parts.append(f"({', '.join(self.flags)})")
        return ", ".join(parts[:2]) + "".join(f" {part}" for part in parts[2:])


def tracks_of(container: Any) -> tuple[Track, ...]:
    """Return the sound tracks of an open container."""
    return tuple(_track(i, stream) for i, stream in enumerate(container.streams.audio, 1))


def choose_track(
    contents: Contents, piece: Piece, tracks: Sequence[Track], wanted: int | None
) -> Track:
    """Return the track to read: the one of number `wanted`, or the best.

    That is the default one, if it has sound, can be decoded and is no commentary or description;
    else the first such. Raises AudioError if there is no track `wanted`.
    """
    if wanted is not None:
        if not 1 <= wanted <= len(tracks):
            has = "1 sound track" if len(tracks) == 1 else f"{len(tracks)} sound tracks"
            raise AudioError(f"{contents.name}: has {has}; there is no track {wanted}")
        return tracks[wanted - 1]
    best = sorted(tracks, key=lambda t: (t.codec is None, t.aside, "default" not in t.flags))
    if len(best) == 1 or best[1].codec is None:
        return best[0]
    return _first_with_sound(Window(contents, piece), [t for t in best if t.codec is not None])


def _first_with_sound(window: Window, candidates: list[Track]) -> Track:
    """Return the first of `candidates` with sound in it; the first that decodes if none has.

    Reads no further than to the first sound of the first of them.
    """
    heard: set[int] = set()
    alive: set[int] = set()
    with open_container(window) as container:
        numbers = {s.index: i for i, s in enumerate(container.streams.audio, 1)}
        wanted = {index for index, n in numbers.items() if n in {t.number for t in candidates}}
        for packet in packets(container, window, wanted):
            number = numbers[packet.stream_index]
            if number in heard:
                continue
            for frame in decoded(packet) or ():
                alive.add(number)
                if frame.samples and np.abs(samples_of(frame)).max() > SILENCE:
                    heard.add(number)
                    break
            if candidates[0].number in heard:
                break
    for having in (heard, alive):
        for track in candidates:
            if track.number in having:
                return track
    return candidates[0]


def _track(number: int, stream: Any) -> Track:
    context = stream.codec_context
    metadata = stream.metadata
    title = metadata.get("title") or metadata.get("handler_name")
    if title in ("SoundHandler", "Sound Media Handler", "SoundHandle"):
        title = None
    language = metadata.get("language")
    kinds = type(stream.disposition)
    flags = tuple(kind.name for kind in kinds if kind.value and kind & stream.disposition)
    return Track(
        number,
        None if context is None else context.codec.name,
        0 if context is None else max(1, stream.channels or 0),
        0 if context is None else stream.rate or 0,
        None if language in (None, "und") else language,
        title,
        flags,
    )
