"""Bytes to samples, and samples to turns."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import pytest
from live_server import pcm16, silence

from parrotlet.audio import read_audio
from parrotlet.serve.live.activity import VoiceActivity
from parrotlet.serve.live.audio import SoundDecoder, pcm, pcma, pcmu
from parrotlet.serve.live.segments import Detection, Segmenter, Sound, Started, Stopped

RATE = 16_000


@pytest.fixture(scope="module")
def speech(examples_dir) -> np.ndarray:
    return read_audio(examples_dir / "example.wav", RATE)


def blocks(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


@pytest.mark.parametrize(("name", "format"), [("pcm_mulaw", pcmu()), ("pcm_alaw", pcma())])
def test_g711_is_what_ffmpeg_decodes(name: str, format) -> None:
    codes = bytes(range(256))
    context = av.CodecContext.create(name, "r")
    context.sample_rate, context.layout = 8_000, "mono"
    (frame,) = context.decode(av.Packet(codes))
    expected = frame.to_ndarray()[0].astype(np.float32) / 32768
    np.testing.assert_array_equal(SoundDecoder(format, 8_000)(codes), expected)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_linear_samples_of_every_width(width: int) -> None:
    values = np.array([0.0, 0.5, -0.5, -1.0, 0.25], np.float32)
    whole = np.round(values.astype(np.float64) * 2 ** (8 * width - 1)).astype("<i8")
    if width == 1:
        whole += 128
    data = b"".join(int(value).to_bytes(8, "little", signed=True)[:width] for value in whole)
    np.testing.assert_array_equal(SoundDecoder(pcm(width, RATE), RATE)(data), values)


def test_channels_become_one() -> None:
    both = np.repeat(np.linspace(-0.5, 0.5, 1000, dtype=np.float32), 2)
    decoded = SoundDecoder(pcm(2, RATE, 2), RATE)(pcm16(both))
    np.testing.assert_allclose(decoded, both[::2], atol=1e-4)


def test_samples_may_be_divided_between_messages(speech: np.ndarray) -> None:
    data = pcm16(speech)
    whole = SoundDecoder(pcm(2, 24_000), RATE)
    parts = SoundDecoder(pcm(2, 24_000), RATE)
    expected = np.concatenate([whole(data), whole(b"", last=True)])
    found = [parts(data[start : start + 777]) for start in range(0, len(data), 777)]
    found.append(parts(b"", last=True))
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-6)
    assert abs(len(expected) - len(speech) * 2 / 3) < 2


@pytest.mark.parametrize("arguments", [(5, RATE, 1), (2, 100, 1), (2, RATE, 0), (2, 16e3, 1)])
def test_what_is_no_format(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="expected"):
        pcm(*arguments)


def changes(activity: VoiceActivity, samples: np.ndarray) -> list[tuple[bool, float]]:
    found = [change for block in blocks(samples, 1234) for change in activity.feed(block)]
    return [(change.speaking, change.position / RATE) for change in found]


def test_speech_begins_and_ends(speech: np.ndarray) -> None:
    signal = np.concatenate([silence(1), speech, silence(2)])
    (began, start), (ended, stop) = changes(VoiceActivity(0.5, 0.5, RATE), signal)
    loud = np.flatnonzero(np.abs(signal) > 0.1) / RATE
    assert (began, ended) == (True, False)
    assert loud[0] - 0.3 < start < loud[0] + 0.1
    assert loud[-1] + 0.4 < stop < loud[-1] + 1.0


def noise(seconds: float, level: float) -> np.ndarray:
    values = np.random.default_rng(7).standard_normal(round(seconds * RATE))
    return (values * 10 ** (level / 20)).astype(np.float32)


@pytest.mark.parametrize("level", [-70.0, -50.0, -30.0, -10.0])
def test_noise_is_no_speech(level: float) -> None:
    found = changes(VoiceActivity(0.5, 0.2, RATE), noise(10, level))
    # A noise that begins suddenly is heard as speech, until it is seen to be steady.
    assert len(found) in (0, 2)
    assert not found or found[1][1] < 1.0


def test_speech_is_heard_above_noise(speech: np.ndarray) -> None:
    speech = speech / np.abs(speech).max() * np.float32(0.9)
    signal = np.concatenate([silence(4), speech, silence(2)])
    signal = signal + noise(len(signal) / RATE, -50.0)[: len(signal)]
    found = [change for change in changes(VoiceActivity(0.5, 0.5, RATE), signal) if change[1] > 2]
    assert [speaking for speaking, _ in found] == [True, False]
    assert 3.8 < found[0][1] < 4.6


def test_a_click_is_no_speech() -> None:
    signal = silence(3)
    signal[20_000:20_200] = 0.9
    assert changes(VoiceActivity(0.5, 0.5, RATE), signal) == []


def test_a_higher_threshold_needs_louder_sound(speech: np.ndarray) -> None:
    faint = np.concatenate([silence(1), speech / np.abs(speech).max() * np.float32(0.01)])
    assert changes(VoiceActivity(0.9, 0.5, RATE), faint) == []
    assert changes(VoiceActivity(0.1, 0.5, RATE), faint) != []


@pytest.mark.parametrize("size", [160, 1000, 1600, 100_000])
def test_turns_are_consecutive_and_whole(speech: np.ndarray, size: int) -> None:
    signal = np.concatenate([silence(1), speech, silence(1.5), speech, silence(1.5)])
    segmenter = Segmenter(Detection(prefix_seconds=0.25), RATE)
    found = [part for block in blocks(signal, size) for part in segmenter.feed(block)]
    assert [type(part) for part in found if not isinstance(part, Sound)] == [Started, Stopped] * 2
    start = 0
    for part in found:
        if isinstance(part, Started):
            start = part.position
        elif isinstance(part, Sound):
            np.testing.assert_array_equal(part.samples, signal[start : start + len(part.samples)])
            start += len(part.samples)
        else:
            assert part.position == start
    starts = [part.position / RATE for part in found if isinstance(part, Started)]
    begins = [1.0, 2.5 + len(speech) / RATE]
    for begin, at in zip(begins, starts, strict=True):
        assert begin - 0.3 < at < begin + 0.5
