"""Several channels become one, without cancelling or getting faint."""

from __future__ import annotations

import io

import numpy as np
import pytest
from sound_files import RATE, encode, read, tone

from parrotlet.audio import Recording

SECONDS = 6.0


def noise(seed: int, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, int(SECONDS * RATE)).astype(np.float32)


def mixed(*channels: np.ndarray, rate: int = RATE) -> tuple[np.ndarray, tuple[str, ...]]:
    return read(encode(np.stack(channels), "wav", "pcm_f32le", rate))


ZERO = np.zeros(int(SECONDS * RATE), np.float32)


@pytest.mark.parametrize(
    "channels",
    [
        (noise(0), noise(1)),
        (noise(0), noise(0)),
        (noise(0), ZERO),
        (ZERO, noise(0)),
        (noise(0), noise(1, 0.01)),
        (noise(0), -0.2 * noise(0)),
        (ZERO, ZERO),
    ],
)
def test_stereo_is_the_mean(channels: tuple[np.ndarray, ...]) -> None:
    samples, warnings = mixed(*channels)
    assert np.array_equal(samples, np.stack(channels).mean(axis=0, dtype=np.float32))
    assert not warnings


def test_speakers_in_turn_are_the_mean() -> None:
    left, right = noise(0), noise(1)
    turn = np.arange(len(left)) // RATE % 2 == 0
    left[turn], right[~turn] = 0, 0
    samples, warnings = mixed(left, right)
    assert np.array_equal(samples, (left + right) / 2)
    assert not warnings


@pytest.mark.parametrize("share", [-1.0, -0.9, -1.1])
def test_channels_that_cancel(share: float) -> None:
    speech = noise(0)
    samples, warnings = mixed(speech, share * speech)
    want = speech if share >= -1 else share * speech
    assert np.abs(samples - want).max() < 1e-6
    assert len(warnings) == 1
    assert "channel" in warnings[0]


@pytest.mark.parametrize("count", [4, 6, 8])
@pytest.mark.parametrize("used", [0, 2])
def test_one_channel_of_many(count: int, used: int) -> None:
    channels = [noise(9, 1e-4)] * count
    channels[used] = noise(0)
    samples, warnings = mixed(*channels)
    assert np.array_equal(samples, channels[used])
    assert warnings == (
        f"channels cancel or are silent: channel {used + 1} was taken where their mean is far "
        "fainter",
    )


def test_all_channels_of_many_are_the_mean() -> None:
    channels = [noise(i) for i in range(4)]
    samples, warnings = mixed(*channels)
    assert np.abs(samples - np.mean(channels, axis=0)).max() < 1e-6
    assert not warnings


def test_one_after_the_other_of_many() -> None:
    """Whoever speaks is heard, soon after it begins."""
    channels = [ZERO.copy() for _ in range(4)]
    channels[1][: 3 * RATE] = noise(0)[: 3 * RATE]
    channels[3][3 * RATE :] = noise(1)[3 * RATE :]
    samples, _ = mixed(*channels)
    assert np.array_equal(samples[: 3 * RATE], channels[1][: 3 * RATE])
    late = slice(5 * RATE, None)
    assert np.std(samples[late]) == pytest.approx(np.std(channels[3][late]), rel=0.02)


def test_a_constant_does_not_count() -> None:
    """What is said cancels, and what is added to it does not."""
    speech = noise(0)
    samples, _ = mixed(speech + 0.3, 0.3 - speech)
    assert np.std(samples) == pytest.approx(np.std(speech), rel=0.01)


def test_what_cancels_for_a_while() -> None:
    """It is left, and the mean is taken again, without a click."""
    left, right = tone(300, SECONDS), tone(300, SECONDS)
    middle = slice(2 * RATE, 3 * RATE)
    right[middle] *= -1
    samples, _ = mixed(left, right)
    assert np.array_equal(samples[: 2 * RATE], left[: 2 * RATE])
    assert np.array_equal(samples[-RATE:], left[-RATE:])


@pytest.mark.parametrize("block_values", [1000, 7777, 1 << 20])
def test_the_size_of_blocks_changes_little(block_values: int) -> None:
    speech = noise(0)
    file = io.BytesIO(encode(np.stack([speech, -speech]), "wav", "pcm_f32le", RATE))
    blocks = list(Recording(file).blocks(RATE, block_values=block_values))
    assert np.array_equal(np.concatenate(blocks), speech)


def test_a_channel_by_its_number() -> None:
    speech = noise(0)
    file = io.BytesIO(encode(np.stack([speech, -speech]), "wav", "pcm_f32le", RATE))
    recording = Recording(file)
    for channel, want in ((1, speech), (2, -speech)):
        samples = np.concatenate(list(recording.blocks(RATE, channel)))
        assert np.array_equal(samples, want)
    assert not recording.warnings
