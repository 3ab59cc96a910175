"""Recordings and streams that share an encoder pass give to the bit what each gives alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import _core

CONFORMERS = (
    "parakeet-tdt-0.6b-v2",  # depthwise subsampling, attention to everything
    "stt_en_conformer_ctc_small",  # dense subsampling, scaled
    "parakeet_realtime_eou_120m-v1",  # streams
    "stt_en_fastconformer_hybrid_large_streaming_multi",  # streams, several contexts
)
STREAMING = CONFORMERS[2:]
LMU = ("lmu/attention", "lmu/recurrent", "lmu/fft")
TYPES = ("f32", "q8_0")
LENGTHS = (1, 7, 8, 9, 16, 61, 173, 260)
"""Feature frames that recordings are made of: less than an encoder frame, odd counts, and more than
a tile of queries or a chunk of the subsampling."""

Load = Callable[[str, str], parrotlet.Model]


@pytest.fixture(params=_core.available_isas())
def load(request, monkeypatch, converted: Callable[[str, str], Path]) -> Load:
    """`load(arch, type)`: a model that computes with one of the machine's instruction sets."""
    monkeypatch.setenv("PARROTLET_ISA", request.param)
    return lambda arch, type: parrotlet.load(converted(arch, type), threads=2)


def contexts(model: parrotlet.Model) -> list[tuple[int, int]]:
    return [model._config.context(right) for right in (*model.right_contexts, None)]


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("arch", [*CONFORMERS, *LMU])
def test_recordings_together(load: Load, arch: str, type: str) -> None:
    model, rng = load(arch, type), np.random.default_rng(len(arch))
    lengths = rng.permutation([*LENGTHS, *rng.integers(1, 100, 3)])
    mels = model._config.mel_bands
    features = [rng.standard_normal((n, mels)).astype(np.float32) for n in lengths]
    for context in contexts(model):
        together = model._core.encode_many(features, *context)
        assert len(together) == len(features)
        for recording, encoded in zip(features, together, strict=True):
            np.testing.assert_array_equal(encoded, model._core.encode(recording, *context))


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("arch", STREAMING)
def test_streams_together(load: Load, arch: str, type: str) -> None:
    """Streams of all contexts, which are fed pieces of different lengths and begin when others
    have long been running, long enough that caches drop what no query sees any more."""
    model, rng = load(arch, type), np.random.default_rng(len(arch))
    chosen = ([context for context in contexts(model) if context[1] >= 0] * 2)[:4]
    together = [_core.Stream(model._core, *context) for context in chosen]
    alone = [_core.Stream(model._core, *context) for context in chosen]
    frames = 0
    for step in range(24):
        running = [i for i in range(len(chosen)) if step >= 2 * i]
        pieces = [rng.standard_normal(rng.integers(0, 20_000)).astype(np.float32) for _ in running]
        encoded = _core.feed_streams([together[i] for i in running], pieces)
        for i, piece, found in zip(running, pieces, encoded, strict=True):
            np.testing.assert_array_equal(found, alone[i].feed(piece))
            frames += len(found)
    assert frames > 500
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.finish(), other.finish())


def test_streams_of_recurrent_models_together(load: Load) -> None:
    model, rng = load("lmu/recurrent", "q8_0"), np.random.default_rng(0)
    together, alone = ([_core.Stream(model._core, -1, 0) for _ in range(3)] for _ in range(2))
    pieces = [rng.standard_normal(n).astype(np.float32) for n in (16_000, 777, 8_001)]
    for stream, piece, found in zip(
        alone, pieces, _core.feed_streams(together, pieces), strict=True
    ):
        np.testing.assert_array_equal(found, stream.feed(piece))


def test_what_cannot_be_fed_together(converted: Callable[[str, str], Path]) -> None:
    path = converted(STREAMING[0], "q8_0")
    models = [_core.Model(str(path), 1) for _ in range(2)]
    one, other = (_core.Stream(model, 70, 1) for model in models)
    piece = np.zeros(100, np.float32)
    assert _core.feed_streams([], []) == []
    with pytest.raises(ValueError, match="of one model"):
        _core.feed_streams([one, other], [piece, piece])
    with pytest.raises(ValueError, match="twice"):
        _core.feed_streams([one, one], [piece, piece])
    with pytest.raises(ValueError, match="samples for each stream"):
        _core.feed_streams([one], [])
    with pytest.raises(ValueError, match="no frames"):
        models[0].encode_many([np.zeros((0, 128), np.float32)], 70, 1)
