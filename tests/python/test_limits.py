"""How long windows are for the memory there is."""

from __future__ import annotations

import dataclasses

import pytest

from parrotlet.longform import limits
from parrotlet.longform.limits import plan, scratch_bytes
from parrotlet.model import load
from parrotlet.model_config import ModelConfig

MB = 1_000_000


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    """A model of the shape of parakeet-tdt-0.6b-v2."""
    demo = load("demo")
    known = ModelConfig.from_metadata(demo.metadata, demo.path)
    return dataclasses.replace(known, d_model=1024, feed_forward=4096, joint_hidden=640)


def test_plenty_of_memory(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda: 64 << 30)
    found = plan(config, -1, threads=2)
    assert found.one_pass == 60 * 16_000
    assert found.window == 30 * 16_000
    assert found.overlap == 4 * 16_000


@pytest.mark.parametrize("memory", [120, 200, 400, 1000])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_windows_fit(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch, memory: int, threads: int
) -> None:
    monkeypatch.setattr(limits, "process_bytes", lambda: 700 * MB)
    found = plan(config, -1, threads, max_memory=(700 + memory) * MB)
    assert found.memory == memory * MB
    assert scratch_bytes(config, found.one_pass) <= memory * MB
    assert scratch_bytes(config, found.window) <= memory * MB
    assert found.overlap <= found.window / 4
    # A little more or less changes nothing, or else a resumed batch would not be the same.
    assert {found.window % (10 * 16_000), found.one_pass % (10 * 16_000)} == {0}


def test_too_little_memory_says_how_much_is_needed(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "process_bytes", lambda: 700 * MB)
    with pytest.raises(ValueError, match=r"max_memory is 710 MB; the process has 700 MB .* more"):
        plan(config, -1, 2, max_memory=710 * MB)
    # By default it is tried all the same.
    monkeypatch.setattr(limits, "free_bytes", lambda: 0)
    assert plan(config, -1, 2).window >= limits.MIN_WINDOW_SECONDS * 16_000


def test_window_that_is_asked_for(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda: 64 << 30)
    found = plan(config, -1, 2, window_seconds=30)
    assert found.one_pass == found.window == 30 * 16_000
    assert plan(config, -1, 2, window_seconds=float("inf")).one_pass > 3600 * 16_000
    with pytest.raises(ValueError, match="at least 10 s"):
        plan(config, -1, 2, window_seconds=5)


def test_ninety_minutes_do_not_want_what_grows_with_their_square(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda: 64 << 30)
    found = plan(config, -1, threads=2)
    assert 2 * scratch_bytes(config, found.window) < 1500 * MB


def test_windows_begin_where_chunks_do(config: ModelConfig) -> None:
    assert config.chunked
    assert plan(config, 13, 2).grid == 14 * config.subsampling * config.hop_length
    assert plan(config, -1, 2).grid == config.subsampling * config.hop_length
