"""Levels behind a high-pass: what no recogniser hears does not count."""

from __future__ import annotations

import numpy as np
import pytest

from parrotlet import _core
from parrotlet.levels import HOP, departures, measure

RATE = 16_000


def decibels(samples: np.ndarray) -> np.ndarray:
    hops = samples[: len(samples) // HOP * HOP].reshape(-1, HOP).astype(np.float32)
    return 10 * np.log10(np.maximum(measure(hops)[0], 1e-20))


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sqrt(2) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize(
    ("hertz", "least", "most"),
    [
        (1, -200, -130), (8, -200, -130), (50, -80, -60), (60, -70, -50), (100, -46, -31),
        (300, -1.5, 0), (1000, -0.5, 0), (7900, -0.5, 0),
    ],
)  # fmt: skip
def test_what_is_heard_counts_and_rumble_does_not(hertz: float, least: float, most: float) -> None:
    found = decibels(tone(hertz))
    mean = 10 * np.log10(np.mean(10 ** (found / 10)))
    assert least <= mean <= most


@pytest.mark.parametrize("offset", [0.01, 0.1, 0.3, -0.9])
def test_an_offset_changes_no_level(offset: float) -> None:
    noise = np.random.default_rng(1).normal(0, 1e-3, RATE)
    drift = np.linspace(0, offset, RATE)
    assert np.abs(decibels(noise + offset) - decibels(noise)).max() < 0.01
    assert np.abs(decibels(noise + drift) - decibels(noise)).max() < 0.01


def test_white_noise_loses_next_to_nothing() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 10 * RATE)
    assert np.mean(decibels(noise)) == pytest.approx(-20, abs=0.3)


def test_hops_are_measured_alone() -> None:
    hops = np.random.default_rng(1).normal(0.2, 0.1, (1300, HOP)).astype(np.float32)
    want = measure(hops)[0]
    for size in (1, 7, 512, 513):
        found = [measure(hops[i : i + size])[0] for i in range(0, len(hops), size)]
        assert np.array_equal(np.concatenate(found), want)


@pytest.mark.parametrize("hertz", [0, 8, 50, 60])
def test_rumble_alone_is_silence_and_what_is_heard_in_it_is_not(hertz: float) -> None:
    rumble = 0.2 * np.cos(2 * np.pi * hertz * np.arange(RATE) / RATE)
    noise = np.random.default_rng(1).normal(0, 1, RATE)
    for level, silent in ((1e-6, True), (1e-3, False)):
        hops = (rumble + level * noise).astype(np.float32).reshape(-1, HOP)
        assert (measure(hops)[1] == silent).mean() > 0.95


def test_faint_sound_is_no_silence() -> None:
    hops = np.random.default_rng(1).normal(0, 1e-6, RATE).astype(np.float32).reshape(-1, HOP)
    assert not measure(hops)[1].any()


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.1, -0.7, 1.0])
def test_a_constant_is_silence(value: float) -> None:
    samples = np.full(RATE, value, dtype=np.float32)
    assert _core.is_silent(samples)
    assert len(departures(samples, float(samples[0]))) == 0
    samples[77] += 1e-6
    assert not _core.is_silent(samples)
    assert departures(samples, float(samples[0])).tolist() == [77]


def test_no_samples_are_silence() -> None:
    assert _core.is_silent(np.empty(0, dtype=np.float32))
    assert len(measure(np.empty((0, HOP), dtype=np.float32))[0]) == 0
