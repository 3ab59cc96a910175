"""Phrase trees against NeMo's, and against a plain search for phrases."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from parrotlet._core import decoding

SETTINGS = {"context_score": 1.0, "depth_scaling": 2.0, "unk_score": 0.0, "score_per_phrase": 0.0}


def tree_of(expected: dict[str, Any], settings: dict[str, Any]) -> decoding.PhraseTree:
    keys = {**SETTINGS, **settings}
    phrases = dict(expected["phrases"])
    return decoding.PhraseTree(
        expected["vocab"],
        [
            (tokens, round(keys["score_per_phrase"] / len(phrase), 2) or keys["context_score"])
            for phrase, tokens in phrases.items()
        ],
        keys["depth_scaling"],
        keys["unk_score"],
        keys.get("uniform_weights", False),
    )


def test_the_trees_are_nemos(expected: dict[str, Any]) -> None:
    assert len(expected["trees"]) == 5
    for theirs in expected["trees"]:
        tree = tree_of(expected, theirs["settings"])
        ours = {0: 0}  # states, by NeMo's numbers
        for start, token, end, weight in sorted(theirs["arcs"], key=lambda arc: arc[2]):
            arcs = {arc[0]: arc for arc in tree.arcs(ours[start])}
            assert arcs[token][2] == pytest.approx(weight, abs=1e-6)
            ours[end] = arcs[token][1]
        assert sorted(ours.values()) == list(range(tree.states))
        for state, number in ours.items():
            to, weight = tree.backoff(number)
            assert to == ours[theirs["backoff_to"][state]]
            assert weight == pytest.approx(theirs["backoff"][state], abs=1e-6)
            assert tree.is_end(number) == (theirs["final"][state] == 1.0)
        unknown = theirs["settings"].get("unk_score", 0.0)
        assert {arc[2] for arc in tree.arcs(0) if arc[1] == 0} == {unknown}


def test_a_whole_phrase_gets_the_sum_of_its_tokens_and_an_unfinished_one_nothing() -> None:
    tree = decoding.PhraseTree(6, [([1, 2, 3], 1.0)])
    state, total, after = tree.start(), 0.0, []
    for token in (1, 2, 3, 5, 1, 2, 5):
        score, to = tree.step(state, token)
        assert score == tree.scores(state)[token]
        assert to == tree.advance(state, token)
        state, total = to, total + score
        after.append(total)
    whole = 1 + (2 + math.log(2)) + (2 + math.log(3))
    assert after[2] == pytest.approx(whole)
    assert after[3] == pytest.approx(whole)  # what is finished is kept
    assert after[6] == pytest.approx(whole)  # what is not is taken back
    assert tree.final_score(state) == 0


def test_states_are_the_longest_ends_that_begin_a_phrase() -> None:
    source = random.Random(3)
    phrases = [[source.randrange(3) for _ in range(source.randint(1, 6))] for _ in range(40)]
    tree = decoding.PhraseTree(3, [(phrase, 1.0) for phrase in phrases])
    beginnings = {tuple(p[:i]) for p in phrases for i in range(len(p) + 1)}
    assert tree.states == len(beginnings)
    names: dict[int, tuple[int, ...]] = {0: ()}
    text, state = [], tree.start()
    for _ in range(3000):
        text.append(source.randrange(3))
        state = tree.advance(state, text[-1])
        longest = max((b for b in beginnings if tuple(text[len(text) - len(b) :]) == b), key=len)
        assert names.setdefault(state, longest) == longest
        assert tree.is_end(state) == (list(longest) in phrases)


def test_a_score_of_its_own_and_a_shared_beginning() -> None:
    tree = decoding.PhraseTree(5, [([1, 2], 1.0), ([1, 3], 4.0), ([1, 2], 0.5)])
    assert tree.scores(0)[1] == 4.0  # the larger one
    after = tree.scores(tree.advance(0, 1))
    np.testing.assert_allclose(after[[2, 3]], [2 + math.log(2), 8 + math.log(2)], rtol=1e-6)


def test_no_phrases_score_nothing() -> None:
    tree = decoding.PhraseTree(4, [])
    assert tree.states == 1
    assert tree.scores(0).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("phrases", "fault"),
    [
        ([([], 1.0)], "phrase 0 has no tokens"),
        ([([1], 1.0), ([4], 1.0)], "phrase 1 has token 4, outside of a vocabulary of 4"),
        ([([-1], 1.0)], "token -1"),
        ([([1], math.nan)], "the score of phrase 0 is nan"),
        ([([0], 1.0), ([1], 1.1e6)], r"phrase 1 is 1\.1e\+06, which is not from -1e\+06 to 1e\+06"),
        ([([1], -2e47)], r"the score of phrase 0 is -2e\+47"),
        ([([1] * 1001, 1.0)], "more than 1000 tokens"),
    ],
)
def test_phrases_that_make_no_sense(phrases: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        decoding.PhraseTree(4, phrases)


@pytest.mark.parametrize("name", ["depth_scaling", "unknown_score"])
@pytest.mark.parametrize("value", [1.1e6, -1e300, math.inf, math.nan])
def test_settings_that_make_no_sense(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is .* not from"):
        decoding.PhraseTree(4, [([1], 1.0)], **{name: value})


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("score", [1e6, -1e6])
def test_the_largest_scores_of_the_longest_phrase_are_finite(uniform: bool, score: float) -> None:
    tree = decoding.PhraseTree(2, [([1] * 1000, score)], 1e6, score, uniform)
    total = decoding.WeightedSum([(decoding.WeightedSum([(tree, 1e3)]), 1e3)])
    assert total.states == 1001
    for state in range(total.states):
        assert np.isfinite(tree.scores(state)).all()
        assert np.isfinite(total.scores(state)).all()


def test_a_sum_is_that_of_its_parts() -> None:
    source = random.Random(4)
    trees = [
        decoding.PhraseTree(5, [([source.randrange(5) for _ in range(4)], 1.0) for _ in range(9)])
        for _ in range(3)
    ]
    weights = [0.5, -2.0, 3.0]
    inner = decoding.WeightedSum([(trees[1], weights[1]), (trees[2], weights[2])])
    total = decoding.WeightedSum([(trees[0], weights[0]), (inner, 1.0)])
    assert total.weight == pytest.approx(sum(weights))
    assert total.vocab_size == 5
    state, states = total.start(), [tree.start() for tree in trees]
    for _ in range(200):
        parts = [w * t.scores(s) for w, t, s in zip(weights, trees, states, strict=True)]
        np.testing.assert_allclose(total.scores(state), sum(parts), atol=1e-5)
        token = source.randrange(5)
        state = total.advance(state, token)
        states = [t.advance(s, token) for t, s in zip(trees, states, strict=True)]
        assert state < total.states


def test_sums_that_make_no_sense() -> None:
    tree = decoding.PhraseTree(5, [([1, 2, 3], 1.0)])
    for parts, fault in (
        ([], "at least one"),
        ([(tree, math.inf)], "not finite"),
        ([(tree, 1e300)], "not finite"),
        ([(tree, 1.1e6)], "more than 1000000 together"),
        ([(tree, 6e5), (tree, -6e5)], "more than 1000000 together"),
        ([(decoding.WeightedSum([(tree, 1e4)]), 1e4)], "more than 1000000 together"),
        ([(tree, 1.0), (decoding.PhraseTree(4, []), 1.0)], "different sizes"),
        ([(tree, 1.0)] * 40, "too many states"),
    ):
        with pytest.raises(ValueError, match=fault):
            decoding.WeightedSum(parts)
    with pytest.raises(IndexError, match="no state 4"):
        tree.scores(4)
    with pytest.raises(IndexError, match="token 5"):
        tree.advance(0, 5)
