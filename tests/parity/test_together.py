"""Recordings and streams that share an encoder pass give to the bit what each gives alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def searches(model: parrotlet.Model, count: int) -> list[_core.Search]:
    """Of all heads in turn, greedy but for every third, which is a beam."""
    heads = {"ctc": "beam_batch", "rnnt": "malsd_batch", "tdt": "malsd_batch"}
    made = []
    for i in range(count):
        head = model.heads[i % len(model.heads)]
        beam = _core.BeamOptions(heads[head] if i % 3 == 2 else "greedy_batch")
        made.append(_core.Search(model._core, head, _core.SearchOptions(10, beam=beam)))
    return made


def alone(stream: _core.Stream, search: _core.Search, piece: np.ndarray | None) -> Any:
    encoded = stream.finish() if piece is None else stream.feed(piece)
    return (len(encoded), *search.feed(encoded))


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("arch", STREAMING)
def test_streams_together(load: Load, arch: str, type: str) -> None:
    """Streams of all contexts, which are fed pieces of different lengths and begin when others
    have long been running, long enough that caches drop what no query sees any more."""
    model, rng = load(arch, type), np.random.default_rng(len(arch))
    chosen = ([context for context in contexts(model) if context[1] >= 0] * 2)[:4]
    together, apart = (
        [_core.Stream(model._core, *context) for context in chosen] for _ in range(2)
    )
    shared, own = (searches(model, len(chosen)) for _ in range(2))
    frames = 0
    for step in range(24):
        running = [i for i in range(len(chosen)) if step >= 2 * i]
        pieces = [rng.standard_normal(rng.integers(0, 20_000)).astype(np.float32) for _ in running]
        results = _core.feed_streams(
            [together[i] for i in running], [shared[i] for i in running], pieces
        )
        for i, piece, found in zip(running, pieces, results, strict=True):
            assert found == alone(apart[i], own[i], piece)
            frames += found[0]
    assert frames > 500
    # The last frames depend on all that the streams have kept. Two end while others go on.
    rest = [rng.standard_normal(n).astype(np.float32) for n in (9_999, 20_000)]
    last = [None, rest[0], None, rest[1]]
    for pieces in (last, [None, None]):
        results = _core.feed_streams(together, shared, pieces)
        for stream, search, piece, found in zip(apart, own, pieces, results, strict=True):
            assert found == alone(stream, search, piece)
        together, shared, apart, own = (
            [one for one, piece in zip(all_of_them, pieces, strict=True) if piece is not None]
            for all_of_them in (together, shared, apart, own)
        )
    assert not together


@pytest.mark.parametrize("arch", ["lmu/recurrent", "lmu/recurrent-live"])
def test_streams_of_recurrent_models_together(load: Load, arch: str) -> None:
    """The features of one are normalised, so that its streams are previews until they end."""
    model, rng = load(arch, "q8_0"), np.random.default_rng(0)
    together, apart = ([_core.Stream(model._core, -1, 0) for _ in range(3)] for _ in range(2))
    shared, own = (searches(model, 3) for _ in range(2))
    pieces = [rng.standard_normal(n).astype(np.float32) for n in (16_000, 777, 8_001)]
    for given in (pieces, [None, pieces[2], None]):
        results = _core.feed_streams(together, shared, given)
        for stream, search, piece, found in zip(apart, own, given, results, strict=True):
            assert found == alone(stream, search, piece)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(one.revise(), other.revise())


def test_what_cannot_be_fed_together(converted: Callable[[str, str], Path]) -> None:
    path = converted(STREAMING[0], "q8_0")
    models = [_core.Model(str(path), 1) for _ in range(2)]
    one, other = (_core.Stream(model, 70, 1) for model in models)
    first, second = (_core.Search(models[0], "rnnt", _core.SearchOptions(10)) for _ in range(2))
    piece = np.zeros(100, np.float32)
    assert _core.feed_streams([], [], []) == []
    with pytest.raises(ValueError, match="of one model"):
        _core.feed_streams([one, other], [first, second], [piece, piece])
    with pytest.raises(ValueError, match="of one model"):
        _core.feed_streams([other], [first], [piece])
    with pytest.raises(ValueError, match="twice"):
        _core.feed_streams([one, one], [first, second], [piece, piece])
    with pytest.raises(ValueError, match="twice"):
        _core.feed_streams([one, _core.Stream(models[0], 70, 1)], [first, first], [piece, piece])
    with pytest.raises(ValueError, match="has a search and samples"):
        _core.feed_streams([one], [first], [])
    first.finish()
    with pytest.raises(ValueError, match="the search is finished"):
        _core.feed_streams([one], [first], [piece])
    with pytest.raises(ValueError, match="no frames"):
        models[0].encode_many([np.zeros((0, 128), np.float32)], 70, 1)
