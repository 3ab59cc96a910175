"""Beam searches against NeMo 3.0's (`data/*.beams.json`), and what a search promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beam_cases import CLOSE, Case

from parrotlet import _core
from parrotlet.audio import read_audio

MODELS = ("parakeet-rnnt-0.6b", "parakeet-tdt_ctc-110m")
STRATEGIES = {
    "rnnt": ("malsd_batch", "maes_batch"),
    "tdt": ("malsd_batch",),
    "ctc": ("beam_batch",),
}
HEADS = {
    "rnnt": "parakeet-rnnt-0.6b",
    "tdt": "parakeet-tdt_ctc-110m",
    "ctc": "parakeet-tdt_ctc-110m",
}
SEARCHES = [(head, strategy) for head, names in STRATEGIES.items() for strategy in names]
CERTAIN = 1e-4  # NeMo's smallest gap between what it kept and what not, from which on it is no tie

MOST_UNSETTLED = 512  # tokens that a hypothesis may differ by from the best one

Row = tuple[int, int, int | None, float]


def found(search: _core.Search, encoded: np.ndarray, size: int | None = None) -> list[Any]:
    """The texts of a search, best first: (rows, score)."""
    settled: list[Row] = []
    for first in range(0, len(encoded), size or len(encoded)):
        settled += search.feed(encoded[first : first + (size or len(encoded))])[0]
    best = settled + search.finish()
    alternatives = [(settled + rows, score) for rows, score in search.alternatives()]
    assert best == alternatives[0][0]
    return alternatives


def compared(rows: list[Row]) -> list[Any]:
    """Rows as NeMo's results have them: tokens, frames, durations."""
    durations = [row[2] for row in rows]
    return [[r[0] for r in rows], [r[1] for r in rows], None if None in durations else durations]


@pytest.mark.filterwarnings("ignore:the vocabulary cannot write")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("isa", _core.available_isas())
def test_texts_and_scores_are_nemos(
    name: str,
    isa: str,
    beam_case: Callable[[str], Case],
    converted: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARROTLET_ISA", isa)
    case = beam_case(name)
    core = _core.Model(str(converted(name, "f32")), 1)
    assert core.isa == isa
    encoded = {}
    for run in case.runs:
        for clip, expected in run["clips"].items():
            if clip not in encoded:
                samples = read_audio(case.audio / f"{clip}.wav", 16_000)
                encoded[clip] = core.encode(core.features(samples), -1, -1)
            if expected["margin"] is not None and expected["margin"] < CERTAIN:
                continue
            search = _core.Search(core, run["head"], case.options(run))
            alternatives = found(search, encoded[clip])
            label = f"{run['head']} {run['name']} {clip}"
            assert len(alternatives) == expected["count"], label
            for (rows, score), (*hypothesis, wanted) in zip(
                alternatives, expected["hyps"], strict=False
            ):
                assert compared(rows) == hypothesis, label
                assert score == pytest.approx(wanted, abs=CLOSE), label
            text = case.tokenizer.transcript([row[0] for row in alternatives[0][0]])
            assert text == expected["text"], label


@pytest.mark.filterwarnings("ignore:the vocabulary cannot write")
@pytest.mark.parametrize("name", MODELS)
def test_pieces_give_what_the_whole_gives(name: str, beam_case: Callable[[str], Case]) -> None:
    case = beam_case(name)
    for run in case.runs:
        encoded, options = case.encoded("clip04"), case.options(run)
        whole = found(case.search(run["head"], options), encoded)
        for size in (1, 7):
            assert found(case.search(run["head"], options), encoded, size) == whole, run["name"]


@pytest.mark.parametrize(("head", "strategy"), SEARCHES)
def test_what_is_settled_stays_and_the_rest_follows(
    head: str, strategy: str, beam_case: Callable[[str], Case]
) -> None:
    """Tentative tokens are those of the best hypothesis; there are not more of them with time."""
    case = beam_case(HEADS[head])
    encoded = np.concatenate([case.encoded("clip01"), case.encoded("clip04")] * 30)
    noise = np.random.default_rng(5).standard_normal(encoded.shape).astype(np.float32)
    encoded += (0.9 if head == "rnnt" else 0.1) * encoded.std() * noise  # unsure or sure of it
    options = _core.SearchOptions(10, beam=_core.BeamOptions(strategy, 4))
    search = case.search(head, options)
    settled: list[Row] = []
    most, changed, before = 0, False, []
    for frame in encoded:
        new, tentative = search.feed(frame[None])
        settled += new
        changed = changed or [*new, *tentative][: len(before)] != before
        before = tentative
        most = max(most, len(tentative))
        frames = [row[1] for row in (*settled, *tentative)]
        assert frames == sorted(frames)
    whole = settled + search.finish()
    if head == "rnnt":
        assert changed
        assert most < len(whole) / 3
    else:
        assert most == MOST_UNSETTLED < len(whole) / 2
    assert found(case.search(head, options), encoded)[0][0] == whole


def test_a_search_over_no_frames_finds_the_empty_text(beam_case: Callable[[str], Case]) -> None:
    for head, strategy in SEARCHES:
        case = beam_case(HEADS[head])
        search = case.search(head, _core.SearchOptions(10, beam=_core.BeamOptions(strategy, 4)))
        assert search.finish() == []
        assert search.alternatives() == [([], 0.0)]


def test_a_duration_is_not_its_place_in_the_list(
    transducer: Callable[[Any], _core.Model],
) -> None:
    """Of a token whose most probable duration is the third, NeMo moves by 2, whatever it is."""
    frames = np.zeros((12, 1), np.float32)

    def always(frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
        logits[:] = -50
        logits[1] = logits[-3] = 0  # token 1, the third duration of five
        return logits

    def moves(durations: tuple[int, ...]) -> list[tuple[int, int | None]]:
        model = transducer(durations)
        width = model.metadata["conformer.embedding_length"]
        beam = _core.BeamOptions("malsd_batch", 2)
        search = _core.Search(model, "tdt", _core.SearchOptions(10, always, beam=beam))
        rows, _ = found(search, np.repeat(frames, width, axis=1))[0]
        return [(row[1], row[2]) for row in rows]

    nemo = [(0, 2), (2, 2), (4, 2), (6, 2), (8, 2), (10, 2)]
    assert moves((0, 1, 2, 3, 4)) == nemo
    assert moves((0, 2, 4, 6, 8)) == [(0, 4), (4, 4), (8, 4)]


def test_frames_after_the_end_are_not_scored(beam_case: Callable[[str], Case]) -> None:
    """In a batch with a longer recording, NeMo goes on scoring the frames that pad this one."""
    case = beam_case("parakeet-tdt_ctc-110m")
    samples = [read_audio(case.audio / f"{clip}.wav", 16_000) for clip in ("clip01", "clip04")]
    together = case.core.encode_many([case.core.features(s) for s in samples], -1, -1)
    runs = [run for run in case.runs if "batch_scores" in run and "alpha" not in str(run)]
    assert len(runs) == 2
    for run in runs:
        alone = [hypothesis[3] for hypothesis in run["clips"]["clip04"]["hyps"]]
        ours = [score for _, score in found(case.search("ctc", case.options(run)), together[1])]
        assert ours == pytest.approx(alone, abs=CLOSE)
        assert abs(run["batch_scores"][0] - alone[0]) > 0.5


def test_confidences_are_of_the_frame_alone(beam_case: Callable[[str], Case]) -> None:
    """max_prob of the most probable label; a scorer changes which tokens there are, not these."""
    case = beam_case("parakeet-tdt_ctc-110m")
    encoded = case.encoded("clip01")
    log_probs = case.core.ctc_log_probs(encoded)
    power = log_probs.shape[1] ** 0.33
    expected = (np.exp(0.33 * log_probs.max(1)) * power - 1) / (power - 1)
    for run in (r for r in case.runs if r["name"] in ("beam_batch 4", "beam_batch 4 lm")):
        for rows, _ in found(case.search("ctc", case.options(run)), encoded):
            for _, frame, _, confidence in rows:
                assert confidence == pytest.approx(expected[frame], abs=1e-6)
    greedy = case.search("tdt", _core.SearchOptions(10)).feed(encoded)[0]
    beam = _core.BeamOptions("malsd_batch", 1)
    one = found(case.search("tdt", _core.SearchOptions(10, beam=beam)), encoded)[0][0]
    confidences = {row[:2]: row[3] for row in greedy}
    shared = [row for row in one if row[:2] in confidences]
    assert len(shared) > 5
    for row in shared:
        assert row[3] == pytest.approx(confidences[row[:2]], abs=1e-6)


@pytest.mark.parametrize(("head", "strategy"), [s for s in SEARCHES if s[0] != "ctc"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_model_without_numbers_says_nothing(
    head: str, strategy: str, value: float, beam_case: Callable[[str], Case]
) -> None:
    case = beam_case(HEADS[head])
    options = _core.SearchOptions(
        10, lambda frame, emitted, z: np.full_like(z, value), None, _core.BeamOptions(strategy, 3)
    )
    assert found(case.search(head, options), case.encoded("clip04")) == [([], 0.0)]


@pytest.mark.parametrize("strategy", ["malsd_batch", "maes_batch"])
def test_max_symbols_ends_a_frame(strategy: str, beam_case: Callable[[str], Case]) -> None:
    """A model that never gives a blank of its own gets one in the end."""
    case = beam_case("parakeet-rnnt-0.6b")

    def always(frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
        logits[:] = -20
        logits[1] = 0
        return logits

    options = _core.SearchOptions(3, always, None, _core.BeamOptions(strategy, 2))
    rows, _ = found(case.search("rnnt", options), case.encoded("clip04")[:6])[0]
    most = 3 if strategy == "malsd_batch" else 2  # maes_num_steps
    assert [row[1] for row in rows] == [frame for frame in range(6) for _ in range(most)]


@pytest.mark.parametrize(
    ("head", "arguments", "reason"),
    [
        (
            "ctc",
            ("malsd_batch",),
            "'malsd_batch' is not for ctc, which has greedy_batch, beam_batch",
        ),
        (
            "tdt",
            ("beam_batch",),
            "'beam_batch' is not for tdt, which has greedy_batch, malsd_batch",
        ),
        ("tdt", ("maes_batch",), "'maes_batch' is not for tdt"),
        ("rnnt", ("malsd_batch", 0), "from 1 to 256 hypotheses, not 0"),
        ("ctc", ("beam_batch", 257), "from 1 to 256 hypotheses, not 257"),
    ],
)
def test_what_no_search_is_made_of(
    head: str, arguments: tuple[Any, ...], reason: str, beam_case: Callable[[str], Case]
) -> None:
    options = _core.SearchOptions(10, beam=_core.BeamOptions(*arguments))
    with pytest.raises(ValueError, match=reason):
        beam_case(HEADS[head]).search(head, options)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"strategy": "best"}, "no strategy 'best'"),
        ({"pruning_mode": "never"}, "no pruning_mode 'never'"),
        ({"blank_lm_score_mode": "half"}, "no blank_lm_score_mode 'half'"),
        ({"maes_num_steps": -1}, "are counts from 0"),
        ({"beam_beta": math.nan}, "is not a number"),
        ({"beam_threshold": math.nan}, "is not a number"),
    ],
)
def test_settings_that_are_none(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        _core.BeamOptions(**{"strategy": "malsd_batch", **settings})


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize("name", ["beam_threshold", "maes_expansion_gamma"])
def test_thresholds_leave_a_hypothesis(
    name: str, value: float, beam_case: Callable[[str], Case]
) -> None:
    options = _core.SearchOptions(10, beam=_core.BeamOptions("malsd_batch", **{name: value}))
    with pytest.raises(ValueError, match="above 0: with less, no hypothesis is left"):
        beam_case("parakeet-rnnt-0.6b").search("rnnt", options)


@pytest.mark.parametrize(("head", "strategy"), SEARCHES)
def test_more_hypotheses_than_labels(
    head: str, strategy: str, beam_case: Callable[[str], Case]
) -> None:
    """A wider beam finds what a narrower one finds, or better."""
    case = beam_case(HEADS[head])
    options = [_core.SearchOptions(10, beam=_core.BeamOptions(strategy, size)) for size in (1, 256)]
    narrow, wide = (found(case.search(head, one), case.encoded("clip04")) for one in options)
    assert len(case.tokenizer.pieces) < 256
    assert len(narrow) == 1
    assert len(wide) > 1
    scores = [score / (len(rows) + 1 if head != "ctc" else 1) for rows, score in wide]
    assert scores == sorted(scores, reverse=True)
    assert len({tuple(row[:2] for row in rows) for rows, _ in wide}) == len(wide)


def test_scorers_that_are_not_for_a_search(beam_case: Callable[[str], Case]) -> None:
    case = beam_case("parakeet-rnnt-0.6b")
    other = _core.decoding.PhraseTree(7, [([1, 2], 1.0)])
    beam = _core.BeamOptions("malsd_batch")
    with pytest.raises(ValueError, match="for 7 tokens; the head has"):
        case.search("rnnt", _core.SearchOptions(10, scorer=other, beam=beam))
    scorer = case.language_model.scorer(len(case.tokenizer.pieces))
    early = _core.BeamOptions("maes_batch", pruning_mode="early")
    with pytest.raises(ValueError, match="with early pruning has no_score"):
        case.search("rnnt", _core.SearchOptions(10, scorer=scorer, beam=early))


@pytest.mark.parametrize(("head", "strategy"), SEARCHES)
def test_memory_is_counted(head: str, strategy: str, beam_case: Callable[[str], Case]) -> None:
    core = beam_case(HEADS[head]).core

    def counted(size: int) -> tuple[int, int]:
        planner = _core.sizes.Planner.of(core)
        held = planner.search_with(head, _core.BeamOptions(strategy, size))
        planner.recording(60 * 16_000, -1, -1)
        return held, planner.scratch(False)[0]

    small, large = counted(2), counted(128)
    assert small[1] <= large[1]
    if head == "ctc":
        assert small[0] == large[0] == 0
        return
    hidden = (
        core.metadata["conformer.predictor.hidden"] * core.metadata["conformer.predictor.layers"]
    )
    state = 4 * (2 * hidden + core.metadata["conformer.joint.hidden"])
    lagging = strategy == "malsd_batch"  # frames are held for hypotheses that fall behind
    held = 4 * core.metadata["conformer.joint.hidden"] * _core.sizes.SEARCH_FRAMES * lagging
    assert (small[0], large[0]) == (4 * 2 * state + held, 4 * 128 * state + held)
    with pytest.raises(ValueError, match="has no head 'none'"):
        _core.sizes.Planner.of(core).search_with("none", _core.BeamOptions(strategy))
