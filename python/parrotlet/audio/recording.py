"""A recording: whatever its format, sampling rate and channels, mono float32 samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from parrotlet.audio.decoding import Stretch
from parrotlet.audio.findings import Findings
from parrotlet.audio.mixing import Mixer
from parrotlet.audio.opening import OpenPiece, opened
from parrotlet.audio.output import Output
from parrotlet.audio.signatures import signature_at, why_unreadable
from parrotlet.audio.source import Contents, Source, describe, open_source
from parrotlet.audio.timeline import Timeline
from parrotlet.audio.tracks import Track, choose_track
from parrotlet.audio.window import Window, windows
from parrotlet.errors import AudioError

BLOCK_VALUES = 1 << 18
"""Samples of all channels together that are read at a time, if that is not more than seconds."""

RATES = (1_000, 1_000_000)
"""Sampling rates in Hz that a recording may claim; outside of them its header is damaged."""

_RAW_SUFFIXES = (".raw", ".pcm", ".s16", ".s16le", ".sln", ".sw")

HOW_TO_CONVERT = "convert them: ffmpeg -f s16le -ar RATE -ac CHANNELS -i INPUT output.wav"


class Recording:
    """A recording that can be read as often as needed, for one channel after the other.

    `tracks` are its sound tracks and `track` is the one that is read; `channels` are those of
    the track, and `seconds` is its length, None where the header does not say.
    """

    def __init__(
        self, source: Source, track: int | None = None, max_seconds: float = math.inf
    ) -> None:
        """Look at the header of `source`; a pipe is read to its end.

        `track`, from 1, chooses a sound track. No more than `max_seconds` are read. Raises
        AudioError if there is no such file, or no such track, or it is no audio.
        """
        self._max_seconds = max_seconds
        self.name = describe(source)
        self._open = open_source(source, self.name)
        self._wanted = track
        self._findings = Findings()
        self.joins: Sequence[int] = ()
        """Where another recording begins among the samples that `blocks` has given last."""
        self.tracks: tuple[Track, ...] = ()
        self.seconds: float | None = None
        with closing(self._open()) as contents:
            self.track = self._look(contents)
        self.channels = max(1, self.track.channels)
        rate = self.track.sample_rate
        if not RATES[0] <= rate <= RATES[1]:
            raise AudioError(
                f"{self.name}: claims a sampling rate of {rate} Hz; "
                f"expected {RATES[0]} to {RATES[1]}"
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with what has been read, and where."""
        return self._findings.messages()

    def check_channel(self, channel: int | None) -> None:
        """Raise AudioError if there is no channel of this number, counted from 1."""
        if channel is not None and not 1 <= channel <= self.channels:
            has = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            raise AudioError(f"{self.name}: has {has}; there is no channel {channel}")

    def blocks(
        self, sample_rate: int, channel: int | None = None, block_values: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Give the samples at `sample_rate` Hz: of one channel, or a mixture of all.

        About `block_values` samples of all channels together are read at a time. Raises AudioError
        when the reading gets to samples that are none, LengthError where it gets beyond
        `max_seconds`, and AudioError at the end, if there was no sample at all; what else is wrong
        is in `warnings`.
        """
        self.check_channel(channel)
        findings = self._findings = Findings()
        timeline, mixer = Timeline(findings), Mixer(channel, findings)
        output = Output(sample_rate, self.name, findings, self._max_seconds)
        self.joins = output.joins
        with closing(self._open()) as contents:
            packets = 0
            for window in windows(contents):
                if (piece := opened(window)) is None:
                    continue
                with closing(piece):
                    number = self._track_of(contents, window, piece)
                    if number is None:
                        continue
                    decoder = piece.decoder(number, timeline, findings)
                    for stretch in decoder.stretches(block_values or BLOCK_VALUES):
                        if not window.fruitful:
                            findings.goes_on()
                        window.fruitful = True
                        yield from _converted(stretch, decoder.stores_floats, mixer, output)
                packets += decoder.packets
                if window.piece.claim is not None and window.fruitful:
                    findings.note(
                        f"the header says {window.piece.claim}; read to the end of the file"
                    )
            yield output.end()
        if not output.count:
            raise AudioError(
                f"{self.name}: cannot be read as audio (none of its {packets} packets can be "
                "decoded: they are damaged or encrypted)"
                if packets
                else f"{self.name}: the recording is empty (0 samples)"
            )

    def _look(self, contents: Contents) -> Track:
        """Choose the track of the first piece that has one."""
        if PurePath(self.name).suffix.lower() in _RAW_SUFFIXES and not signature_at(contents, 0):
            raise AudioError(f"{self.name}: raw samples have no header to read; {HOW_TO_CONVERT}")
        reason = ""
        for window in windows(contents):
            piece = opened(window)
            if piece is None:
                reason = reason or why_unreadable(contents)
                continue
            with closing(piece):
                tracks = piece.tracks
                if any(track.codec for track in tracks):
                    self.tracks = tracks
                    self.seconds = piece.seconds
                    self._first = window.piece.start
                    return choose_track(contents, window.piece, tracks, self._wanted)
            reason = (
                f"no codec is known for its {len(tracks)} sound tracks"
                if tracks
                else "there is no sound track in it"
            )
        raise AudioError(f"{self.name}: cannot be read as audio ({reason})")

    def _track_of(self, contents: Contents, window: Window, piece: OpenPiece) -> int | None:
        """Return the number of the track to read in a piece; None if it has none."""
        if window.piece.start == self._first:
            return self.track.number
        tracks = piece.tracks
        if not any(track.codec for track in tracks):
            return None
        wanted = self._wanted if (self._wanted or 0) <= len(tracks) else None
        return choose_track(contents, window.piece, tracks, wanted).number


def _converted(
    stretch: Stretch, stored: bool, mixer: Mixer, output: Output
) -> Iterator[NDArray[np.float32]]:
    if stretch.joined:
        yield from output.join()
    if stretch.samples is None:
        yield from output.silence(stretch.silence)
    else:
        samples = mixer(stretch.samples, stretch.rate)
        yield from output.sound(samples, stretch.rate, stretch.bounded, stored)
