"""What is taken out of the windows of a recording that is cut."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from parrotlet.longform.rumble import without_rumble

RATE = 16_000


def signal(seconds: float = 3.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.1 * np.sin(2 * np.pi * 440 * time) + 0.05 * np.sin(2 * np.pi * 150 * time)).astype(
        np.float32
    )


def rumbles(length: int) -> dict[str, np.ndarray]:
    time = np.arange(length) / RATE
    return {
        "offset": np.full(length, 0.3),
        "faint offset": np.full(length, 0.03),
        "drift": np.linspace(-0.3, 0.2, length),
        "8 Hz": 0.3 * np.sin(2 * np.pi * 8 * time + 1),
        "50 Hz": 0.2 * np.sin(2 * np.pi * 50 * time + 1),
    }


@pytest.mark.parametrize("kind", rumbles(1))
def test_rumble_is_taken_out_up_to_the_edges(kind: str) -> None:
    clean = signal()
    found = without_rumble((clean + rumbles(len(clean))[kind]).astype(np.float32), RATE)
    assert found.dtype == np.float32
    error = np.abs(found - clean)
    assert error[RATE // 10 : -RATE // 10].max() < 2e-3
    assert error.max() < 0.03  # a click would be as loud as the offset


def test_speech_is_left_as_it_is(examples_dir) -> None:
    for name in ("example.wav", "spelled.wav"):
        samples = soundfile.read(examples_dir / name, dtype="float32")[0]
        assert without_rumble(samples, RATE) is samples


@pytest.mark.parametrize("length", [160, 161, 1600, 4096, 16_001])
def test_windows_of_any_length(length: int) -> None:
    samples = np.full(length, 0.25, dtype=np.float32)
    found = without_rumble(samples, RATE)
    assert found.shape == samples.shape
    assert np.abs(found).max() < 1e-5


def test_silence_is_left_as_it_is() -> None:
    samples = np.zeros(1600, dtype=np.float32)
    assert without_rumble(samples, RATE) is samples
