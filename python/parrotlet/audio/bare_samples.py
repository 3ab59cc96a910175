"""WAV files of 16-bit samples, which are what their header says: no decoder is needed.

They are what speech is kept in, and most are short: loading FFmpeg takes longer than recognising
one, and opening it longer than reading it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parrotlet.audio.decoding import Stretch, values_at_a_time
from parrotlet.audio.findings import Findings
from parrotlet.audio.sample_files import may_hold_dts, wave_format
from parrotlet.audio.timeline import Timeline
from parrotlet.audio.tracks import Track
from parrotlet.audio.window import Window

_PCM = 1  # WAVE_FORMAT_PCM
_BYTES = 2
_UNIT = np.float32(2.0**-15)


class BareSamples:
    """A piece of 16-bit samples, of one channel or two."""

    def __init__(self, window: Window, channels: int, rate: int) -> None:
        """Read `window`, whose prefix says that there are `channels` at `rate` Hz."""
        self._window = window
        self.tracks: tuple[Track, ...] = (Track(1, "pcm_s16le", channels, rate, None, None, ()),)
        count = (window.size - len(window.piece.prefix)) // (_BYTES * channels)
        self.seconds: float | None = count / rate
        window.format = "wav"

    @classmethod
    def of(cls, window: Window) -> BareSamples | None:
        """Return the samples of a piece; None if it takes FFmpeg to read it."""
        found = wave_format(window.piece.prefix)
        if found is None or found.order != "<" or not found.rate or may_hold_dts(found):
            return None
        plain = found.tag == _PCM and found.bits == 8 * _BYTES
        if not plain or found.channels not in (1, 2) or found.block != _BYTES * found.channels:
            return None
        return cls(window, found.channels, found.rate)

    def decoder(self, number: int, timeline: Timeline, findings: Findings) -> SampleDecoder:
        """Return what reads the one track that there is."""
        return SampleDecoder(self._window, self.tracks[number - 1], timeline, findings)

    def close(self) -> None:
        """Nothing is open."""


class SampleDecoder:
    """Samples of a piece, one stretch after the other."""

    stores_floats = False
    packets = 0

    def __init__(
        self, window: Window, track: Track, timeline: Timeline, findings: Findings
    ) -> None:
        """Read `track`, the only one of `window`."""
        self._window = window
        self._track = track
        self._timeline = timeline
        self._findings = findings

    def stretches(self, block_values: int) -> Iterator[Stretch]:
        """Give all samples, at most `block_values` values of all channels at a time."""
        window, timeline = self._window, self._timeline
        rate, channels = self._track.sample_rate, self._track.channels
        block = _BYTES * channels
        another = timeline.now > 0.0
        timeline.begin(0.0)
        window.seek(len(window.piece.prefix))
        size = block * values_at_a_time(block_values, channels, rate)
        while len(data := window.read(size)) >= block:
            values = np.frombuffer(data, "<i2", len(data) // block * channels)
            samples = np.empty((channels, len(values) // channels), dtype=np.float32)
            np.multiply(values.reshape(-1, channels).T, _UNIT, out=samples)
            timeline.place(None, samples.shape[1] / rate)
            yield Stretch(rate, samples, bounded=True, joined=another)
            another = False
        window.check()
        if window.piece.cut:
            self._findings.cut(timeline.now)
