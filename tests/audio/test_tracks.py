"""Which sound track of several is read."""

from __future__ import annotations

import io
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition
from sound_files import RATE, encode_into, heard, tone

from parrotlet import AudioError
from parrotlet.audio import Recording
from parrotlet.audio.demuxing import packets

LOW, HIGH = 500.0, 1500.0
AAC = 48_000


def film(
    *tracks: tuple[float, str, str],
    format: str = "matroska",
    seconds: float = 2.0,
    silent: float = 0.0,
    codec: str = "aac",
) -> io.BytesIO:
    """Tracks of a tone each (0: silence), with flags joined by "+" and a title.

    The first `silent` seconds of all are silence.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        streams = []
        for _, flags, title in tracks:
            stream = container.add_stream(codec, rate=AAC, layout="mono")
            stream.metadata["language"] = "eng"
            stream.metadata["title"] = title
            stream.disposition = sum(Disposition[f].value for f in flags.split("+") if f)
            streams.append(stream)
        for stream, (hz, _, _) in zip(streams, tracks, strict=True):
            signal = tone(hz, seconds, AAC) if hz else np.zeros(round(seconds * AAC), np.float32)
            signal[: round(silent * AAC)] = 0
            encode_into(container, stream, signal[None], AAC, "mono")
    file.seek(0)
    return file


def chosen(file: io.BytesIO, track: int | None = None) -> tuple[int, list[float]]:
    recording = Recording(file, track)
    samples = np.concatenate(list(recording.blocks(RATE)))
    return recording.track.number, [round(found[0], -2) for found in heard(samples)]


@pytest.mark.parametrize("silent", [0.0, 1.5])
@pytest.mark.parametrize(
    ("tracks", "number"),
    [
        ([(LOW, "", ""), (HIGH, "", "")], 1),
        ([(LOW, "", ""), (HIGH, "default", "")], 2),
        ([(LOW, "default", ""), (HIGH, "default", "")], 1),
        ([(0, "default", ""), (HIGH, "", "")], 2),
        ([(0, "", ""), (0, "", ""), (HIGH, "", "")], 3),
        ([(LOW, "comment", ""), (HIGH, "", "")], 2),
        ([(LOW, "comment+default", ""), (HIGH, "", "")], 2),
        ([(LOW, "visual_impaired", ""), (HIGH, "", "")], 2),
        ([(LOW, "", "Director's commentary"), (HIGH, "", "Stereo")], 2),
        ([(LOW, "", "English Audio Description"), (HIGH, "", "")], 2),
        ([(LOW, "comment", ""), (0, "default", "")], 1),
    ],
)
def test_choice(tracks: list[tuple[float, str, str]], number: int, silent: float) -> None:
    got, tones = chosen(film(*tracks, silent=silent))
    assert got == number
    assert tones == [tracks[number - 1][0]]


def test_silence_everywhere() -> None:
    assert chosen(film((0, "", ""), (0, "default", "")))[0] == 2


@pytest.mark.parametrize("track", [1, 2])
def test_a_track_by_its_number(track: int) -> None:
    file = film((LOW, "", ""), (HIGH, "default", ""))
    assert chosen(file, track) == (track, [(LOW, HIGH)[track - 1]])


@pytest.mark.parametrize("track", [0, 3, -1])
def test_a_track_that_there_is_not(track: int) -> None:
    with pytest.raises(AudioError, match=f"2 sound tracks; there is no track {track}"):
        Recording(film((LOW, "", ""), (HIGH, "", "")), track)


def test_what_is_said_of_tracks() -> None:
    recording = Recording(film((LOW, "default", "Main"), (HIGH, "comment", "")))
    first, second = recording.tracks
    assert str(first) == "track 1: aac, 1 channel eng Main (default)"
    assert (first.codec, first.channels, first.sample_rate) == ("aac", 1, AAC)
    assert second.aside
    assert not first.aside


def test_reading_is_enough_for_the_first_sound() -> None:
    """A film is not read to its end where its first track has sound."""

    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    file = Counting(
        film((LOW, "default", ""), (HIGH, "", ""), seconds=60, codec="pcm_s16le").getvalue()
    )
    Recording(file)
    assert file.count < len(file.getvalue()) * 0.6


def test_a_stream_that_begins_later_ends_nothing() -> None:
    """PyAV (18) may look for one where it gives the last packets, and raises IndexError."""

    class Packet(SimpleNamespace):
        size, stream_index = 10, 0

    class Container(SimpleNamespace):
        calls = 0

        def demux(self, streams):
            self.calls += 1
            yield Packet(call=self.calls)
            if self.calls == 1:
                raise IndexError("list index out of range")

    container = Container(streams=("sound",), format=SimpleNamespace(name="mpegts"))
    window = SimpleNamespace(check=lambda: None)
    found = packets(container, window=window, wanted={0})
    assert [packet.call for packet in found] == [1, 2]
