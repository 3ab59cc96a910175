"""How long windows are for the memory there is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from parrotlet.architectures.conformer.published import PRESETS
from parrotlet.architectures.conformer.tensors import STORAGE, conformer
from parrotlet.architectures.storage import choose_types
from parrotlet.longform import limits
from parrotlet.longform.limits import Limits, Windowing, WindowMemory, choose_limits
from parrotlet.memory.runtime import StoredTensor, planner
from parrotlet.model import load
from parrotlet.model_config import ModelConfig

MB = 1_000_000


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    """A model of the shape of parakeet-tdt-0.6b-v2."""
    demo = load("demo")
    known = ModelConfig.from_metadata(demo.metadata, demo.path)
    return dataclasses.replace(known, d_model=1024)


@pytest.fixture(scope="module")
def memory(config: ModelConfig) -> Callable[[int], int]:
    """What windows of that model take, with matrices of q8_0."""
    sizes = PRESETS["parakeet-tdt-0.6b-v2"]
    chosen = choose_types(conformer(sizes), STORAGE, "q8_0")
    tensors = {c.tensor.name: StoredTensor(c.tensor.shape, c.type) for c in chosen}
    known = WindowMemory(lambda: planner("planned", sizes, tensors, 2), config)
    return lambda samples: known.bytes(samples, (-1, -1))


@pytest.fixture
def choose(config: ModelConfig, memory: Callable[[int], int]) -> Callable[..., Limits]:
    """`choose(right context, threads, ...)`: the limits for that model and `Windowing(...)`."""

    def chosen(right_context: int, threads: int, **windowing: Any) -> Limits:
        return choose_limits(Windowing(**windowing), config, memory, right_context, threads)

    return chosen


def test_plenty_of_memory(
    choose: Callable[..., Limits], memory: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda: 64 << 30)
    found = choose(-1, threads=2)
    assert found.one_pass == 60 * 16_000
    assert found.window == 30 * 16_000
    assert found.overlap == 4 * 16_000


@pytest.mark.parametrize("megabytes", [120, 200, 400, 1000])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_windows_fit(
    choose: Callable[..., Limits],
    memory: Callable[[int], int],
    monkeypatch: pytest.MonkeyPatch,
    megabytes: int,
    threads: int,
) -> None:
    monkeypatch.setattr(limits, "process_bytes", lambda: 700 * MB)
    found = choose(-1, threads, max_memory=(700 + megabytes) * MB)
    assert found.memory == megabytes * MB
    assert memory(found.one_pass) <= megabytes * MB
    assert memory(found.window) <= megabytes * MB
    assert found.overlap <= found.window / 4
    # A little more or less changes nothing, or else a resumed batch would not be the same.
    assert {found.window % (10 * 16_000), found.one_pass % (10 * 16_000)} == {0}


def test_too_little_memory_says_how_much_is_needed(
    choose: Callable[..., Limits], memory: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "process_bytes", lambda: 700 * MB)
    with pytest.raises(ValueError, match=r"max_memory is 710 MB; the process has 700 MB .* more"):
        choose(-1, 2, max_memory=710 * MB)
    # By default it is tried all the same.
    monkeypatch.setattr(limits, "free_bytes", lambda: 0)
    assert choose(-1, 2).window >= limits.MIN_WINDOW_SECONDS * 16_000


def test_window_that_is_asked_for(
    choose: Callable[..., Limits], memory: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda: 64 << 30)
    found = choose(-1, 2, window=30)
    assert found.one_pass == found.window == 30 * 16_000
    assert choose(-1, 2, window=float("inf")).one_pass > 3600 * 16_000
    with pytest.raises(ValueError, match="at least 10 s"):
        Windowing(window=5)
    with pytest.raises(ValueError, match="at least 10 s"):
        Windowing(window=float("nan"))


def test_ninety_minutes_do_not_want_what_grows_with_their_square(
    choose: Callable[..., Limits], memory: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda: 64 << 30)
    found = choose(-1, threads=2)
    assert 2 * memory(found.window) < 1500 * MB


def test_windows_begin_where_chunks_do(config: ModelConfig, choose: Callable[..., Limits]) -> None:
    assert config.chunked
    assert choose(13, 2).grid == 14 * config.subsampling * config.hop_length
    assert choose(-1, 2).grid == config.subsampling * config.hop_length
