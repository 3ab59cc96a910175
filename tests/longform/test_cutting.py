"""Cutting recordings into sections and windows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from parrotlet.longform.cutting import MIN_SAMPLES, Cutter, Window
from parrotlet.longform.limits import Limits

RATE = 16_000
LIMITS = Limits(one_pass=20 * RATE, window=10 * RATE, overlap=2 * RATE, grid=1280, memory=1 << 30)

Cut = list[tuple[Window, np.ndarray]]


def speech(seconds: float, seed: int = 1) -> np.ndarray:
    """Noise whose loudness changes four times a second, as that of syllables does."""
    n = round(seconds * RATE)
    loudness = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * np.arange(n) / RATE)
    noise = np.random.default_rng(seed).normal(0, 0.1, n)
    return np.where(noise == 0, 0.1, noise * loudness).astype(np.float32)


def hiss(seconds: float, level: float = 1e-4) -> np.ndarray:
    noise = np.random.default_rng(2).normal(0, level, round(seconds * RATE))
    return np.where(noise == 0, level, noise).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def blocks(samples: np.ndarray, size: int = 7777) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def cut(*parts: np.ndarray, limits: Limits = LIMITS) -> Cut:
    return list(Cutter(blocks(np.concatenate(parts)), limits).windows())


def sections(windows: Cut) -> list[tuple[float, float]]:
    """Starts and ends of the sections in seconds."""
    found: list[list[float]] = []
    for window, _ in windows:
        if window.first_of_section:
            found.append([window.start / RATE, 0])
        found[-1][1] = window.end / RATE
    return [(start, end) for start, end in found]


def test_what_fits_one_pass_is_left_as_it_is() -> None:
    samples = np.concatenate([silence(3), speech(10), silence(7)])
    ((window, found),) = cut(samples)
    assert window == Window(0, len(samples), 0, 0, whole=True)
    assert np.array_equal(found, samples)


def test_samples_in_memory_that_fit_one_pass_are_not_copied() -> None:
    samples = speech(10)
    samples.flags.writeable = False
    ((_, found),) = Cutter(iter([samples]), LIMITS).windows()
    assert found.base is samples or found is samples
    assert np.array_equal(found, speech(10))


def test_windows_have_the_samples_that_they_say() -> None:
    samples = np.concatenate([speech(31), silence(2), speech(12)])
    for window, found in cut(samples):
        assert np.array_equal(found, samples[window.start : window.end])


@pytest.mark.parametrize("seconds", [20.01, 25.0, 61.7, 100.0])
def test_windows_cover_everything_and_overlap(seconds: float) -> None:
    windows = [window for window, _ in cut(speech(seconds))]
    assert windows[0].start == 0
    assert windows[-1].end == round(seconds * RATE)
    for before, after in pairwise(windows):
        assert after.start % LIMITS.grid == 0
        assert after.cut - after.start >= LIMITS.overlap
        assert before.end - after.cut >= LIMITS.overlap - LIMITS.grid
        assert after.start < after.cut < before.end <= after.end
    assert all(window.end - window.start <= LIMITS.window for window in windows)


@pytest.mark.parametrize(("window", "grid"), [(10 * RATE, 1000 * RATE), (10, 1280)])
def test_windows_end_however_long_a_chunk_is(window: int, grid: int) -> None:
    limits = Limits(one_pass=window, window=window, overlap=window // 5, grid=grid, memory=1 << 30)
    samples = speech(3.2 * window / RATE)
    windows = [window for window, _ in Cutter(blocks(samples), limits).windows()]
    assert (windows[0].start, windows[-1].end) == (0, len(samples))
    for before, after in pairwise(windows):
        assert before.start < after.start <= before.end <= after.end


def test_the_cut_is_in_the_pause() -> None:
    windows = [window for window, _ in cut(speech(6.5), hiss(0.6), speech(40))]
    assert 6.5 < windows[1].cut / RATE < 7.1


def test_digital_silence_divides_takes_and_is_left_out() -> None:
    windows = cut(silence(4), speech(6), silence(0.6), speech(3), silence(9), speech(2))
    assert sections(windows) == [(4.0, 10.0), (10.6, 13.6), (22.6, 24.6)]


def test_short_silence_does_not_divide() -> None:
    windows = cut(speech(4), silence(0.2), speech(5), silence(30))
    assert sections(windows) == [(0.0, 9.2)]


def test_clear_pauses_divide_takes_and_nothing_is_left_out() -> None:
    windows = cut(speech(5), hiss(1.5), speech(3), hiss(6), speech(8))
    assert sections(windows) == [(0.0, 6.25), (6.25, 15.25), (15.25, 23.5)]


def test_what_fits_between_digital_silences_is_left_as_it_is() -> None:
    joined = [silence(2), speech(3), hiss(1.5), speech(4), silence(2)]
    assert sections(cut(*joined, *joined)) == [(2.0, 10.5), (14.5, 23.0)]
    # Where it does not fit, its clear pauses count, up to its end.
    longer = cut(silence(2), speech(5), hiss(1.5), speech(5), hiss(1.5), speech(2), silence(9))
    assert sections(longer) == [(2.0, 8.25), (8.25, 14.75), (14.75, 17.0)]


@pytest.mark.parametrize("level", [1e-3, 1e-2])
def test_noise_of_pauses_may_be_louder_than_that_of_speech(level: float) -> None:
    """As where gain control raises it, or clips of little noise were joined."""
    spoken = [part for i in range(5) for part in (speech(1, seed=i), hiss(0.2, 1e-5))]
    noise = hiss(1.5, level)
    windows = cut(*spoken, noise, *spoken, noise, *spoken)
    assert sections(windows) == [(0.0, 7.25), (7.25, 14.75), (14.75, 21.0)]


def test_takes_begin_soon_before_speech_however_long_the_pause() -> None:
    windows = cut(hiss(13, 1e-3), speech(3), hiss(47, 1e-3), speech(2), hiss(3, 1e-3), speech(4))
    starts = [start for start, _ in sections(windows)]
    assert {12.75, 62.75, 67.75} <= set(starts)
    assert sections(windows)[-1] == (67.75, 72.0)


def test_a_take_too_long_for_a_window_ends_in_the_longest_fair_pause() -> None:
    windows = cut(speech(4.5), hiss(0.7), speech(1.8), hiss(0.6), speech(6), hiss(0.4), speech(9))
    assert sections(windows) == [(0.0, 4.95), (4.95, 23.0)]
    assert windows[2][0].start < windows[2][0].cut < windows[1][0].end  # nothing but overlap helps


def unheard(kind: str, length: int) -> np.ndarray:
    """What no recogniser hears, to be added to a recording."""
    time = np.arange(length) / RATE
    hertz, level = {
        "rumble": (8, 0.3),
        "50 Hz": (50, 0.2),
        "60 Hz": (60, 0.2),
        "100 Hz": (100, 0.01),
    }.get(kind, (0, 0))
    if kind == "offset":
        return np.full(length, 0.3)
    if kind == "drift":
        return np.linspace(-0.3, 0.3, length)
    if kind == "steps":
        return 0.1 * (np.floor(time / 4.1) % 3)
    return level * np.sin(2 * np.pi * hertz * time)


@pytest.mark.parametrize("kind", ["offset", "drift", "steps", "rumble", "50 Hz", "60 Hz", "100 Hz"])
def test_what_is_not_heard_hides_no_pause(kind: str) -> None:
    spoken = [part for i in range(5) for part in (speech(1, seed=i), hiss(0.2, 1e-3))]
    samples = np.concatenate([*spoken, hiss(1.5, 1e-3)] * 4)
    want = sections(cut(samples))
    assert len(want) > 3
    disturbed = samples + unheard(kind, len(samples)).astype(np.float32)
    assert sections(cut(disturbed)) == want


@pytest.mark.parametrize("offset", [0.01, 0.3, -0.1])
def test_digital_silence_may_be_any_constant(offset: float) -> None:
    parts = [silence(4), speech(6), silence(0.6), speech(3), silence(9), speech(2), silence(1)]
    disturbed = [(part + np.float32(offset)).astype(np.float32) for part in parts]
    assert (
        sections(cut(*disturbed))
        == sections(cut(*parts))
        == [(4.0, 10.0), (10.6, 13.6), (22.6, 24.6)]
    )


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("kind", ["offset", "drift", "rumble", "50 Hz", "60 Hz"])
def test_digital_silence_may_have_rumble_in_it(kind: str, rounded: bool) -> None:
    parts = [silence(4), speech(6), silence(0.6), speech(3), silence(9), speech(2), silence(1)]
    samples = np.concatenate(parts)
    samples = samples + unheard(kind, len(samples))
    if rounded:  # to 16 bits
        samples = np.round(samples * 32768) / 32768
    found = sections(cut(samples.astype(np.float32)))
    want = np.array([(4.0, 10.0), (10.6, 13.6), (22.6, 24.6)])
    assert np.abs(np.array(found) - want).max() <= 0.03


def test_silence_of_several_constants() -> None:
    """Between them there are steps; a window of one has nothing in it but the step."""
    constants = [np.full(2 * RATE + i, i / 10, dtype=np.float32) for i in (3, 0, -2, 1)]
    windows = cut(speech(9), *constants, speech(8))
    spoken = [window for window, _ in windows if window.end - window.start > 1]
    assert (spoken[0].start, spoken[0].end) == (0, 9 * RATE)
    assert spoken[-1].end == 25 * RATE + 2
    for window, samples in windows:
        if window not in spoken:
            assert (samples[1:] == samples[0]).all()


def test_nothing_but_constants() -> None:
    samples = np.repeat(np.float32([0.3, 0.0, 0.3, 0.1]), 10 * RATE)
    assert all((found == found[0]).all() for _, found in cut(samples))


def test_faint_speech_is_no_pause() -> None:
    faint = 0.02 * speech(9, seed=3)
    assert len(sections(cut(speech(5), hiss(0.4), faint, hiss(0.4), speech(10)))) == 1


def test_speech_without_noise_has_no_clear_pause() -> None:
    assert len(sections(cut(speech(50)))) == 1


def test_nothing_but_silence() -> None:
    cutter = Cutter(blocks(silence(50)), LIMITS)
    assert list(cutter.windows()) == []
    assert cutter.length == 50 * RATE


def test_very_short_sounds_are_filled_up() -> None:
    click = np.full(100, 0.5, dtype=np.float32)
    (first, _) = cut(silence(12), click, silence(12), speech(1))
    window, samples = first
    assert (window.start, window.end) == (12 * RATE, 12 * RATE + 100)
    assert len(samples) == MIN_SAMPLES
    assert np.array_equal(samples[:100], click)


def test_only_a_window_or_two_are_kept() -> None:
    pieces = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal pieces
        for _ in range(3600):
            pieces += 1
            yield speech(1)

    for window, _ in Cutter(endless(), LIMITS).windows():
        read_ahead = pieces * RATE - window.start
        assert read_ahead <= LIMITS.one_pass + LIMITS.window + 3 * RATE


def test_block_sizes_do_not_matter() -> None:
    samples = np.concatenate([speech(33), silence(2), hiss(3), speech(21)])
    want = [window for window, _ in Cutter([samples], LIMITS).windows()]
    for size in (160, 999, 100_000):
        assert [window for window, _ in Cutter(blocks(samples, size), LIMITS).windows()] == want


def test_recordings_that_are_joined_are_takes_of_their_own() -> None:
    parts = [speech(4), speech(3), speech(5)]
    joins = [4 * RATE, 7 * RATE]
    cutter = Cutter(blocks(np.concatenate(parts)), LIMITS, lambda: joins)
    assert sections(list(cutter.windows())) == [(0, 4), (4, 7), (7, 12)]


def test_a_join_in_a_pause_and_beyond_a_window() -> None:
    parts = [speech(4), silence(1), speech(80), speech(3)]
    joins = [round(4.5 * RATE), 85 * RATE]
    cutter = Cutter(blocks(np.concatenate(parts)), LIMITS, lambda: joins)
    found = sections(list(cutter.windows()))
    assert found[0] == (0, 4)
    assert found[1][0] == 5
    assert found[-1] == (85, 88)
    assert (
        max(
            window.end - window.start
            for window, _ in Cutter(blocks(np.concatenate(parts)), LIMITS, lambda: joins).windows()
        )
        <= LIMITS.window
    )
