"""`_core.sizes.Planner`: what is counted, of a description and of a model that is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parrotlet import _core
from parrotlet._core.sizes import SEARCH_FRAMES, Planner
from parrotlet.architectures import Sizes, family_with, sizes_in
from parrotlet.memory.runtime import FLOAT, StoredTensor, planner

ARCHITECTURES = (
    "parakeet-tdt-0.6b-v2",
    "stt_en_conformer_ctc_small",
    "conformer-hat",
    "conformer-tdt-stateless",
    "stt_en_fastconformer_hybrid_large_streaming_multi",
    "nemotron-3.5-asr-streaming-0.6b",
    "lmu/attention",
    "lmu/recurrent",
    "lmu/fft",
)
CONTEXTS = ((-1, -1), (70, 13), (8, 0))


def described(path: Path, threads: int) -> Planner:
    """A planner of what a file says, without its weights."""
    file = _core.GgufFile(str(path))
    tensors = [(tensor.name, tensor.shape, tensor.type) for tensor in file.tensors]
    return Planner(str(path), file.metadata["general.architecture"], file.entries, tensors, threads)


@pytest.mark.parametrize("type", ("f32", "q8_0"))
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_description_is_counted_as_the_model_itself(
    converted: Callable[[str, str], Path], arch: str, type: str
) -> None:
    path = converted(arch, type)
    model = _core.Model(str(path), 2)
    planners = Planner.of(model), described(path, 2)
    for seconds in (1, 20, 5):
        for context in CONTEXTS:
            found = [planner.recording(seconds * 16_000, *context) for planner in planners]
            assert found[0] == found[1]
            assert planners[0].scratch(False) == planners[1].scratch(False) > (0, 0)
    assert planners[0].weight_bytes == planners[1].weight_bytes > 0
    frames, encoded, _ = found[0]
    features = model.features(np.zeros(5 * 16_000, np.float32))
    assert len(features) == frames
    assert len(model.encode(features, *CONTEXTS[-1])) == encoded


def test_counting_changes_nothing(converted: Callable[[str, str], Path]) -> None:
    model = _core.Model(str(converted("parakeet-tdt-0.6b-v2", "q8_0")), 2)
    features = np.random.default_rng(0).standard_normal((173, 128)).astype(np.float32)
    features = features[:, : model.metadata["conformer.features.mel_bands"]].copy()
    before = model.encode(features, -1, -1)
    Planner.of(model).recording(60 * 16_000, -1, -1)
    np.testing.assert_array_equal(model.encode(features, -1, -1), before)


def test_scratch_is_kept_from_call_to_call(converted: Callable[[str, str], Path]) -> None:
    planner = described(converted("parakeet-tdt-0.6b-v2", "q8_0"), 2)
    planner.recording(16_000, -1, -1)
    short = planner.scratch(False)
    planner.recording(60 * 16_000, -1, -1)
    long = planner.scratch(False)
    planner.recording(16_000, -1, -1)
    assert planner.scratch(False) == long > short
    assert planner.scratch(True) >= long


def test_a_stream_holds_no_more_the_longer_it_runs(converted: Callable[[str, str], Path]) -> None:
    path = converted("stt_en_fastconformer_hybrid_large_streaming_multi", "q8_0")
    planner = described(path, 1)
    keys, histories, positions = planner.stream_bytes(70, 13)
    assert min(keys, histories, positions) > 0
    planner.streams(400, 70, 13)
    one = planner.scratch(False)
    planner.streams(4000, 70, 13)
    assert planner.scratch(False)[0] <= 1.2 * one[0]


def minute(sizes: Sizes, *search: Any) -> int:
    """Bytes of scratch memory of a call that recognises a minute, with a model of these sizes.

    `search` is what `Planner.search_with` takes, if it is not greedy.
    """
    tensors = {t.name: StoredTensor(t.shape, "f32") for t in family_with(sizes).tensors(sizes)}
    found = planner("described", sizes, tensors, 1)
    if search:
        found.search_with(*search)
    found.recording(60 * 16_000, -1, -1)
    return found.scratch(False)[0]


@pytest.mark.parametrize("arch", ["stt_en_conformer_ctc_small", "lmu/recurrent"])
def test_searches_over_many_labels_are_counted(
    converted: Callable[[str, str], Path], arch: str
) -> None:
    sizes: Any = sizes_in(_core.GgufFile(str(converted(arch, "f32"))))
    few = minute(sizes)
    each = FLOAT * SEARCH_FRAMES * (50_000 + 1)  # log-probabilities of frames taken at a time
    assert each <= minute(replace(sizes, vocab=50_000)) <= each + few


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_searches_of_transducers_are_counted(
    converted: Callable[[str, str], Path], activation: str
) -> None:
    sizes: Any = sizes_in(_core.GgufFile(str(converted("parakeet-tdt-0.6b-v2", "f32"))))
    predictor = replace(sizes.transducer.predictor, hidden=4096)
    wide = replace(sizes.transducer, joint_hidden=8192, predictor=predictor)
    wide = replace(wide, activation=activation)
    projected = FLOAT * SEARCH_FRAMES * wide.joint_hidden
    gates = FLOAT * 4 * wide.predictor.hidden
    assert minute(sizes) < projected + gates <= minute(replace(sizes, transducer=wide))


def test_frames_that_are_held_for_lagging_hypotheses_are_counted(
    converted: Callable[[str, str], Path],
) -> None:
    sizes: Any = sizes_in(_core.GgufFile(str(converted("parakeet-tdt-0.6b-v2", "f32"))))
    sizes = replace(sizes, transducer=replace(sizes.transducer, joint_hidden=8192))
    projected = FLOAT * SEARCH_FRAMES * sizes.transducer.joint_hidden
    assert minute(sizes) < 2 * projected
    assert minute(sizes, "tdt", _core.BeamOptions("malsd_batch", 4)) >= 2 * projected


def test_descriptions_that_are_refused(converted: Callable[[str, str], Path]) -> None:
    file = _core.GgufFile(str(converted("parakeet-tdt-0.6b-v2", "q8_0")))
    tensors = [(tensor.name, tensor.shape, tensor.type) for tensor in file.tensors]
    with pytest.raises(Exception, match=r"m\.gguf: .*joint\.enc\.weight is missing"):
        known = [tensor for tensor in tensors if tensor[0] != "joint.enc.weight"]
        Planner("m.gguf", "conformer", file.entries, known, 1)
    with pytest.raises(Exception, match="'nothing' is not supported"):
        Planner("m.gguf", "nothing", file.entries, tensors, 1)
    with pytest.raises(ValueError, match="type 'q9' is unknown"):
        Planner("m.gguf", "conformer", file.entries, [("a", (1,), "q9")], 1)
    with pytest.raises(ValueError, match="attention context"):
        Planner("m.gguf", "conformer", file.entries, tensors, 1).recording(16_000, -2, 0)
