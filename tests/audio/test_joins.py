"""Where another recording begins: each is recognised by itself."""

from __future__ import annotations

import io

import numpy as np
import pytest
from sound_files import FORMATS, RATE, encode, joins, read, tone, tone_file

from parrotlet.audio import Recording


@pytest.mark.parametrize("name", FORMATS)
def test_one_recording_has_none(name: str) -> None:
    assert joins(tone_file(name, 500.0, 2.5)) == []


BARE = ("mp2", "adts", "ac3")
"""Frames without a header: of two such files nobody can tell that they are two."""


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in BARE])
def test_two_of_a_format(name: str) -> None:
    (found,) = joins(tone_file(name, 500.0, 1.5) * 2)
    assert found == pytest.approx(1.5, abs=0.15)


def test_three_of_several_formats() -> None:
    data = tone_file("wav", 500.0) + tone_file("ogg-opus", 500.0) + tone_file("mp3", 500.0)
    assert joins(data) == pytest.approx([1.0, 2.0], abs=0.1)


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 2), (48_000, 1)])
def test_another_format_of_samples_inside(rate: int, channels: int) -> None:
    samples = np.repeat(tone(500.0, 1.5, rate)[np.newaxis], channels, axis=0)
    data = tone_file("adts", 500.0, 1.5) + encode(samples, "adts", "aac", rate)
    (found,) = joins(data)
    assert found == pytest.approx(1.5, abs=0.1)
    heard, warnings = read(data)
    assert len(heard) / RATE == pytest.approx(3.0, abs=0.15)
    assert not warnings


def test_a_second_reading_counts_anew() -> None:
    recording = Recording(io.BytesIO(tone_file("wav", 500.0) * 2))
    for rate in (RATE, 8000):
        assert sum(len(block) for block in recording.blocks(rate)) == 2 * rate
        assert list(recording.joins) == [rate]


def test_what_lasts_less_than_a_second_is_no_recording() -> None:
    short = encode(tone(500.0, 0.4), "wav", "pcm_s16le", RATE)
    assert joins(short * 2) == []
    assert joins(short * 6) == pytest.approx([1.2])
