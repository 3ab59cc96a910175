"""Scratch memory that is given back between calls."""

from __future__ import annotations

import platform
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
from random_models import demo_sized_with_full_attention

import parrotlet
from parrotlet import _core
from parrotlet.bench.sound import speech_like

SECONDS = 120
HELD = 5_000_000
"""Bytes of scratch memory that so long a recording takes in one pass, at least."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> parrotlet.Model:
    path = tmp_path_factory.mktemp("model") / "model.gguf"
    return parrotlet.load(demo_sized_with_full_attention().write(path, "q8_0"), threads=2)


@pytest.fixture(scope="module")
def sound(model: parrotlet.Model) -> np.ndarray:
    return speech_like(SECONDS * model.sample_rate, model.sample_rate)


def resident() -> int:
    """Bytes of this process that are in memory, without what is free in its heap."""
    _core.give_back_heap()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another heap")
def test_scratch_of_a_long_recording_is_given_back(model, sound) -> None:
    model.transcribe(sound, window=SECONDS + 1)
    before = resident()
    model.release_scratch()
    assert before - resident() > HELD
    after = resident()
    model.release_scratch()
    assert resident() == pytest.approx(after, abs=HELD / 5)


def test_calls_that_run_meanwhile_keep_theirs(model, sound) -> None:
    part = sound[: 5 * model.sample_rate]
    expected = model.encode(model.features(part))
    ended = threading.Event()

    def release() -> None:
        while not ended.is_set():
            model.release_scratch()

    releasing = threading.Thread(target=release)
    releasing.start()
    try:
        for _ in range(20):
            assert np.array_equal(model.encode(model.features(part)), expected)
    finally:
        ended.set()
        releasing.join()
