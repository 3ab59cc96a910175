"""Files that are cut anywhere, or of which any bytes are overwritten."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sound_files import FORMATS, RATE, encode, heard, read, tone

from parrotlet import AudioError

TONES = (500.0, 1500.0, 900.0, 2100.0)
SECONDS = 0.5

ANYTHING = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@cache
def original(name: str) -> tuple[bytes, float]:
    """A file of four tones, and its length in seconds as it is read."""
    format, codec, rate = FORMATS[name]
    signal = np.concatenate([tone(hz, SECONDS, rate) for hz in TONES])
    options = {
        "matroska": {"cluster_time_limit": "200"},
        "webm": {"cluster_time_limit": "200"},
        "ogg": {"page_duration": "100000"},
    }.get(format)
    data = encode(signal, format, codec, rate, options=options)
    return data, len(read(data)[0]) / RATE


def attempt(data: bytes) -> np.ndarray:
    """Samples, or none for what is refused; anything but AudioError is raised."""
    try:
        samples, _ = read(data)
    except AudioError as error:
        assert str(error).startswith("audio stream: ")
        return np.empty(0, dtype=np.float32)
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    return samples


@pytest.mark.parametrize("name", FORMATS)
@given(share=st.floats(0, 1))
@ANYTHING
def test_cut_anywhere(name: str, share: float) -> None:
    data, seconds = original(name)
    samples = attempt(data[: int(share * len(data))])
    # What a codec adds at the end is left out where the file says so, there.
    assert len(samples) / RATE <= seconds + 0.15


@pytest.mark.parametrize("name", FORMATS)
@given(share=st.floats(0, 1), junk=st.binary(min_size=1, max_size=200))
@ANYTHING
def test_overwritten_anywhere(name: str, share: float, junk: bytes) -> None:
    data, seconds = original(name)
    position = int(share * len(data))
    samples = attempt(data[:position] + junk[: len(data) - position] + data[position + len(junk) :])
    # A header says how much the bytes are; what follows it does not.
    if name in ("flac", "mp3", "adts", "ogg-opus", "webm", "mkv") and share > 0.2:
        assert len(samples) / RATE <= seconds + 0.5


@pytest.mark.parametrize("name", ["flac", "ogg-opus", "webm", "mkv", "m4a", "mp4"])
@given(share=st.floats(0.3, 0.6), junk=st.binary(min_size=1, max_size=300))
@ANYTHING
def test_what_follows_is_where_it_was(name: str, share: float, junk: bytes) -> None:
    data, _ = original(name)
    media = len(data) if name not in ("m4a", "mp4") else data.index(b"moov") - 4
    position = int(share * media)
    samples = attempt(data[:position] + junk + data[position + len(junk) :])
    hz, start, end = heard(samples)[-1]
    assert hz == pytest.approx(TONES[-1], abs=60)
    assert start == pytest.approx(3 * SECONDS, abs=0.15)
    assert end == pytest.approx(4 * SECONDS, abs=0.12)


@given(first=st.sampled_from(sorted(FORMATS)), second=st.sampled_from(sorted(FORMATS)))
@ANYTHING
def test_anything_after_anything(first: str, second: str) -> None:
    (data, seconds), (more, further) = original(first), original(second)
    samples = attempt(data + more)
    assert seconds - 0.1 <= len(samples) / RATE <= seconds + further + 1.0


@given(data=st.binary(max_size=600))
@settings(ANYTHING, max_examples=150)
def test_any_bytes(data: bytes) -> None:
    attempt(data or b"x")
