"""HAT joints and stateless predictors against their definitions, and HAT's beams against NeMo's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beam_cases import CLOSE
from nemo_files import DATA, Nemo

import parrotlet
from parrotlet import _core
from parrotlet.audio import read_audio
from parrotlet.decoding.phrases import Phrases
from parrotlet.decoding.vocabulary import tokenizer_from_metadata

HAT, STATELESS = "conformer-hat", "conformer-tdt-stateless"
HISTORY = [5, 100, 126, 5]
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
BEAMS = json.loads((Path(__file__).parent / "data" / f"{HAT}.beams.json").read_text("utf-8"))


def loaded(nemo: Nemo, folder: Path) -> _core.Model:
    path = parrotlet.convert(nemo.write(folder / "m.nemo"), folder / "m.gguf", "f32")
    return _core.Model(str(path), 1)


def logits_of(model: _core.Model, tokens: list[int], encoded: np.ndarray) -> np.ndarray:
    """What the joint gives after some tokens."""
    steps = [[token] for token in tokens]
    return _core.kernels.hypotheses(model, [[0]] * len(steps), steps, encoded)[0]


def sums(state: dict[str, np.ndarray], encoded: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """RNNTJoint's sum of its projections."""
    f = state["joint.enc.weight"] @ encoded[0] + state["joint.enc.bias"]
    return f + state["joint.pred.weight"] @ predicted + state["joint.pred.bias"]


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x - x.max()).sum()) - x.max()


def stateless(state: dict[str, np.ndarray], tokens: list[int], norm: bool) -> np.ndarray:
    """StatelessNet of the last tokens, blanks before the first."""
    embeds = [state[name] for name in sorted(state) if ".embeds." in name]
    blank = len(embeds[0]) - 1
    last = ([blank] * len(embeds) + tokens)[::-1]
    out = np.concatenate([embed[token] for embed, token in zip(embeds, last, strict=False)])
    return (out - out.mean()) / np.sqrt(out.var() + 1e-5) if norm else out


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("context", [1, 2, 3, 5])
def test_a_stateless_predictor_sees_the_last_tokens(
    context: int, norm: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    nemo = Nemo.read(DATA / STATELESS / "model.nemo")
    nemo.config["decoder"] |= {"context_size": context, "normalization_mode": "layer" * norm}
    nemo.state = {name: value for name, value in nemo.state.items() if ".embeds." not in name}
    narrow = 32 // 2 // context
    for place, width in enumerate([32 - narrow * (context - 1)] + [narrow] * (context - 1)):
        table = rng.standard_normal((129, width)).astype(np.float32)
        nemo.state[f"decoder.prediction.embeds.{place}.weight"] = table
    model = loaded(nemo, tmp_path)
    encoded = rng.standard_normal((1, 48)).astype(np.float32)
    for count in range(len(HISTORY) + 1):
        tokens = HISTORY[:count]
        hidden = np.maximum(sums(nemo.state, encoded, stateless(nemo.state, tokens, norm)), 0)
        expected = nemo.state["joint.joint_net.2.weight"] @ hidden
        expected += nemo.state["joint.joint_net.2.bias"]
        np.testing.assert_allclose(logits_of(model, tokens, encoded), expected, atol=2e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("blank_bias", [-30.0, 0.0, 30.0])
def test_a_hat_joint_gives_log_probabilities(
    activation: str, blank_bias: float, tmp_path: Path
) -> None:
    """The blank's is a logarithm of a sigmoid, and the labels share the rest, at least 1e-6."""
    rng = np.random.default_rng(0)
    nemo = Nemo.read(DATA / HAT / "model.nemo")
    nemo.config["decoder"] = {
        "_target_": "nemo.collections.asr.modules.StatelessTransducerDecoder",
        "prednet": {"pred_hidden": 32},
    }
    nemo.config["joint"]["jointnet"]["activation"] = activation
    nemo.state = {name: v for name, v in nemo.state.items() if "prediction" not in name}
    table = rng.standard_normal((129, 32)).astype(np.float32)
    nemo.state["decoder.prediction.embeds.0.weight"] = table
    nemo.state["joint.blank_pred.2.bias"] = np.float32([blank_bias])
    encoded = rng.standard_normal((1, 44)).astype(np.float32)
    found = logits_of(loaded(nemo, tmp_path), [7], encoded)

    total = sums(nemo.state, encoded, table[7]).astype(np.float64)
    labels = nemo.state["joint.joint_net.2.weight"] @ ACTIVATIONS[activation](total)
    labels = log_softmax(labels + nemo.state["joint.joint_net.2.bias"])
    blank = nemo.state["joint.blank_pred.2.weight"][0] @ np.tanh(total) + blank_bias
    blank = -np.log1p(np.exp(-blank))
    rest = np.log(max(1 - np.exp(blank), 1e-6))
    np.testing.assert_allclose(found, [*(labels + rest), blank], atol=1e-4)


def texts(search: _core.Search, encoded: np.ndarray, size: int) -> list[Any]:
    """(tokens, frames, score) of the texts of a search that is fed `size` frames at a time."""
    settled: list[Any] = []
    for first in range(0, len(encoded), size):
        settled += search.feed(encoded[first : first + size])[0]
    best = settled + search.finish()
    found = [(settled + rows, score) for rows, score in search.alternatives()] or [(best, 0.0)]
    return [([row[0] for row in rows], [row[1] for row in rows], score) for rows, score in found]


def encoded_clip(model: _core.Model, path: Path) -> np.ndarray:
    return model.encode(model.features(read_audio(path, 16_000)), -1, -1)


@pytest.mark.parametrize(
    "run", BEAMS["runs"], ids=lambda run: f"{run['strategy']}-{run['beam_size']}"
)
def test_beams_over_a_hat_are_nemos(
    run: dict[str, Any], converted: Callable[[str, str], Path], audio_dir: Path
) -> None:
    model = _core.Model(str(converted(HAT, "f32")), 1)
    scorer = None
    if run["boosting_tree_alpha"]:
        tree = Phrases(BEAMS["phrases"]).scorer(tokenizer_from_metadata(model.metadata, "m.gguf"))
        scorer = _core.decoding.WeightedSum([(tree, run["boosting_tree_alpha"])])
    beam = _core.BeamOptions(run["strategy"], run["beam_size"])
    options = _core.SearchOptions(10, scorer=scorer, beam=beam)
    for clip, expected in run["clips"].items():
        encoded = encoded_clip(model, audio_dir / f"{clip}.wav")
        found = texts(_core.Search(model, "rnnt", options), encoded, len(encoded))
        assert [each[:2] for each in found] == [(each[0], each[1]) for each in expected]
        scores = [score for *_, score in expected]
        assert [score for *_, score in found] == pytest.approx(scores, abs=CLOSE)


@pytest.mark.parametrize("strategy", [None, "malsd_batch"])
@pytest.mark.parametrize(("name", "head"), [(HAT, "rnnt"), (STATELESS, "tdt")])
def test_pieces_are_found_as_the_whole(
    name: str,
    head: str,
    strategy: str | None,
    converted: Callable[[str, str], Path],
    audio_dir: Path,
) -> None:
    model = _core.Model(str(converted(name, "f32")), 1)
    beam = _core.BeamOptions(strategy, 4) if strategy else None
    options = _core.SearchOptions(10, beam=beam) if beam else _core.SearchOptions(10)
    encoded = encoded_clip(model, audio_dir / "clip01.wav")
    whole = texts(_core.Search(model, head, options), encoded, len(encoded))
    expected = json.loads((DATA / name / "expected.json").read_text("utf-8"))["clip01"][head]
    assert whole[0][0] == expected["tokens"]
    for size in (1, 7):
        assert texts(_core.Search(model, head, options), encoded, size) == whole


def multiblank(folder: Path, durations: list[int]) -> tuple[_core.Model, Nemo]:
    """The stateless model as a multi-blank RNNT, whose joint has a blank for each duration."""
    nemo = Nemo.read(DATA / STATELESS / "model.nemo")
    nemo.config["loss"] = {"loss_name": "multiblank_rnnt"}
    nemo.config["decoding"] = {"big_blank_durations": durations}
    nemo.config["joint"]["num_extra_outputs"] = len(durations)
    rng = np.random.default_rng(1)
    for name, shape in (("weight", (129 + len(durations), 48)), ("bias", (129 + len(durations),))):
        value = rng.standard_normal(shape).astype(np.float32)
        value -= value.mean(-1, keepdims=True) * (value.ndim - 1)  # no row is the best by itself
        value[128:] += 4 * (name == "bias")
        nemo.state[f"joint.joint_net.2.{name}"] = value
    return loaded(nemo, folder), nemo


@pytest.mark.parametrize("durations", [[2, 4, 8], [1, 1], [3]])
def test_big_blanks_skip_frames(durations: list[int], tmp_path: Path) -> None:
    """GreedyMultiblankRNNTInfer: the usual blank is the last label, the first big one before it."""
    model, nemo = multiblank(tmp_path, durations)
    state, frames = nemo.state, 300
    encoded = np.random.default_rng(2).standard_normal((frames, 48)).astype(np.float32)
    expected: list[tuple[int, int]] = []
    skipped, frame, last = set(), 0, 128 + len(durations)
    while frame < frames:
        skip = 1
        for _ in range(5):
            tokens = [token for token, _ in expected]
            predicted = stateless(state, tokens, norm=True)
            hidden = np.maximum(sums(state, encoded[frame : frame + 1], predicted), 0)
            logits = state["joint.joint_net.2.weight"] @ hidden + state["joint.joint_net.2.bias"]
            best = int(logits.argmax())
            if best >= 128:
                skip = durations[last - best - 1] if best < last else 1
                skipped.add(best)
                break
            expected.append((best, frame))
        frame += skip
    search = _core.Search(model, "rnnt", _core.SearchOptions(5))
    found = search.feed(encoded[:7])[0] + search.feed(encoded[7:])[0] + search.finish()
    assert [(token, at) for token, at, *_ in found] == expected
    assert all(0 <= confidence <= 1 for *_, confidence in found)
    assert len(skipped) == 1 + len(durations)
    assert len(expected) > 10


def test_big_blanks_have_no_beams(tmp_path: Path) -> None:
    model, _ = multiblank(tmp_path, [2, 4])
    beam = _core.BeamOptions("malsd_batch", 2)
    with pytest.raises(ValueError, match="'malsd_batch' is not for multi-blank rnnt"):
        _core.Search(model, "rnnt", _core.SearchOptions(5, beam=beam))
