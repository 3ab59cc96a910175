"""What a model has to have in common with the arrays and tokens of the code that trained it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parrotlet import Model, Transcription


def check_stages(
    model: Model,
    kind: str,
    samples: NDArray[np.float32],
    arrays: Mapping[str, NDArray[np.float32]],
    right_context: int | None = None,
) -> None:
    """Compare features, encoder output, prompted output and CTC log-probabilities, each from the
    arrays before it.

    `kind` is the model's type, f32 or f16.
    """
    error = np.abs(model.features(samples) - arrays["features"])
    assert error.mean() < 1e-4
    assert error.max() < 1e-2

    encoded = model.encode(arrays["features"], right_context=right_context)
    assert encoded.shape == arrays["encoder"].shape
    error = np.abs(encoded - arrays["encoder"]).max()
    assert error < (2e-3 if kind == "f32" else 2e-2)

    for language in model.languages:
        if f"prompted_{language}" in arrays:
            prompted = model.prompted(arrays["encoder"], language)
            error = np.abs(prompted - arrays[f"prompted_{language}"]).max()
            assert error < (2e-3 if kind == "f32" else 2e-2)

    if "ctc_logprobs" in arrays:
        log_probs = model.ctc_log_probs(arrays["encoder"])
        error = np.abs(log_probs - arrays["ctc_logprobs"]).max()
        assert error < (1e-3 if kind == "f32" else 2e-2)


def check_tokens(result: Transcription, expected: Mapping[str, Any]) -> None:
    """Compare text and tokens, and their frames where those are known."""
    assert result.text == expected["text"]
    assert [token.id for token in result.tokens] == expected["tokens"]
    if "frames" in expected:
        assert [token.frame for token in result.tokens] == expected["frames"]
