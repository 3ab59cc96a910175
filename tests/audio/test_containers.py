"""Reading video and other containers, written here with PyAV."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from parrotlet import AudioError
from parrotlet.audio import Recording, read_audio

RATE = 16_000
SECONDS = 1.5

CONTAINERS = {
    "talk.m4a": ("aac", 44_100),
    "talk.mp4": ("aac", 48_000),
    "talk.mkv": ("ac3", 48_000),
    "talk.webm": ("libopus", 48_000),
    "talk.aac": ("aac", 22_050),
}


def tone(rate: int) -> np.ndarray:
    time = np.arange(int(rate * SECONDS)) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def write(
    path: Path, codec: str | None, rate: int, picture: bool = False, late: float = 0.0
) -> None:
    """Write the tone into both channels, beginning `late` seconds after the picture."""
    with av.open(str(path), "w") as container:
        if picture:
            video = container.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        if codec is not None:
            sound = container.add_stream(codec, rate=rate, layout="stereo")
        if picture:
            for i in range(int(25 * (SECONDS + late))):
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
                frame.pts, frame.time_base = i, Fraction(1, 25)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if codec is not None:
            samples = tone(rate)
            for start in range(0, len(samples), 1024):
                piece = samples[start : start + 1024]
                frame = av.AudioFrame.from_ndarray(np.stack([piece, piece]), "fltp", "stereo")
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = start + round(late * rate)
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))


def loudness(samples: np.ndarray) -> np.ndarray:
    """Root mean square of each tenth of a second."""
    blocks = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)
    return np.sqrt((blocks**2).mean(axis=1))


@pytest.mark.parametrize("layout", ["mono", "5.1", "7.1", "hexadecagonal"])
def test_any_number_of_channels(tmp_path, layout) -> None:
    """Each channel is the one that was written, also where there are 8 and more."""
    channels = av.AudioLayout(layout).nb_channels
    levels = np.arange(1, channels + 1) / 32
    samples = np.tile((levels * 32768).astype(np.int16), RATE)[None]  # interleaved
    path = tmp_path / "film.mka"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples, "s16", layout)
        frame.sample_rate = RATE
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert Recording(path).channels == channels
    np.testing.assert_allclose(read_audio(path, RATE), np.full(RATE, levels.mean()), atol=1e-6)
    for channel in (1, channels):
        got = read_audio(path, RATE, channel=channel)
        np.testing.assert_allclose(got, np.full(RATE, levels[channel - 1]), atol=1e-6)


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(tmp_path: Path, name: str) -> None:
    codec, rate = CONTAINERS[name]
    path = tmp_path / name
    write(path, codec, rate, picture=path.suffix in (".mp4", ".mkv"))
    recording = Recording(path)
    assert recording.channels == 2
    samples = np.concatenate(list(recording.blocks(RATE)))
    assert samples.dtype == np.float32
    assert len(samples) / RATE == pytest.approx(SECONDS, abs=0.1)
    # A tone of amplitude 0.3, but where the codec fades in and out.
    assert loudness(samples)[2:-3] == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
    spectrum = np.abs(np.fft.rfft(samples[3200:19_200]))
    assert np.argmax(spectrum) == 440
    if recording.seconds is not None and name != "talk.aac":
        assert recording.seconds == pytest.approx(SECONDS, abs=0.1)


def test_files_and_channels(tmp_path: Path) -> None:
    write(tmp_path / "talk.mp4", "aac", 48_000)
    whole = read_audio(tmp_path / "talk.mp4", RATE)
    stream = io.BytesIO((tmp_path / "talk.mp4").read_bytes())
    assert np.array_equal(read_audio(stream, RATE), whole)
    assert np.abs(read_audio(stream, RATE, channel=2) - whole).max() < 1e-3
    blocks = list(Recording(stream).blocks(RATE, block_values=8_000))
    assert len(blocks) > 10
    assert np.abs(np.concatenate(blocks) - whole).max() < 1e-4


def test_sound_that_begins_after_the_picture(tmp_path: Path) -> None:
    write(tmp_path / "late.mkv", "ac3", 48_000, picture=True, late=0.7)
    levels = loudness(read_audio(tmp_path / "late.mkv", RATE))
    assert levels[:6] == pytest.approx(0, abs=1e-3)
    assert levels[9:-3] == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


def test_dts_in_a_file_that_says_16_bit_stereo() -> None:
    """Other WAV files are not searched for it, which takes longer than to read short ones."""
    path = Path(__file__).parents[1] / "data" / "dts_as_pcm.wav"
    assert Recording(path).track.codec == "dca"
    spectrum = np.abs(np.fft.rfft(read_audio(path, RATE)[400:3600]))
    assert spectrum.argmax() * RATE / 3200 == 440


def test_no_sound(tmp_path: Path) -> None:
    write(tmp_path / "silent.mp4", None, 0, picture=True)
    with pytest.raises(AudioError, match=r"silent\.mp4: .*no sound track"):
        read_audio(tmp_path / "silent.mp4", RATE)
