"""Predictor and joint of several hypotheses at once, gathered as a beam does it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parrotlet import _core

ROWS = (1, 3, 13, 13, 2, 7)
"""Hypotheses after each step: one tile of a product and several, more and fewer than before."""


@pytest.mark.parametrize("kind", ["f32", "q8_0"])
@pytest.mark.parametrize(
    "architecture",
    ["parakeet-rnnt-0.6b", "parakeet-tdt-0.6b-v3", "conformer-hat", "conformer-tdt-stateless"],
)
def test_a_hypothesis_gets_what_it_gets_alone(
    isa: str,
    architecture: str,
    kind: str,
    converted: Callable[[str, str], Path],
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARROTLET_ISA", isa)
    model = _core.Model(str(converted(architecture, kind)), 2)
    labels = len(model.metadata["tokenizer.ggml.tokens"]) + 1
    parents = [
        rng.integers(before, size=rows).tolist()
        for before, rows in zip((1, *ROWS), ROWS, strict=False)
    ]
    tokens = [rng.integers(labels, size=rows).tolist() for rows in ROWS]
    samples = rng.standard_normal(16_000).astype(np.float32)
    encoded = model.encode(model.features(samples), -1, -1)[: ROWS[-1]]

    logits = _core.kernels.hypotheses(model, parents, tokens, encoded)

    for row in range(ROWS[-1]):
        history, at = [], row
        for step in reversed(range(len(ROWS))):
            history.append(tokens[step][at])
            at = parents[step][at]
        alone = [[token] for token in reversed(history)]
        np.testing.assert_array_equal(
            logits[row : row + 1],
            _core.kernels.hypotheses(model, [[0]] * len(alone), alone, encoded[row : row + 1]),
        )


@pytest.mark.parametrize(
    ("parents", "tokens"),
    [([[1]], [[0]]), ([[0]], [[-1]]), ([[0]], [[10**6]]), ([[0, 0]], [[0]]), ([[0]], [])],
)
def test_what_is_not_there_is_refused(
    parents: list[list[int]], tokens: list[list[int]], converted: Callable[[str, str], Path]
) -> None:
    model = _core.Model(str(converted("parakeet-rnnt-0.6b", "f32")), 1)
    encoded = np.zeros((1, model.metadata["conformer.embedding_length"]), np.float32)
    with pytest.raises(ValueError, match=r"not there|parents and tokens"):
        _core.kernels.hypotheses(model, parents, tokens, encoded)
