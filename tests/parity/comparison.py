"""What a model has to have in common with the arrays and tokens of the code that trained it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from parrotlet import Model, Stream, Transcription

HOP = 160
"""Samples that complete a mel frame, and so no more than one chunk of a stream."""


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


def followed(
    stream: Stream,
    samples: NDArray[np.float32],
    then: Callable[[int], None] = lambda chunks: None,
) -> tuple[list[str], Transcription]:
    """Stream samples: the text after every chunk, and the result.

    `then` is called after each chunk but the last, with the number of chunks so far.
    """
    texts: list[str] = []
    for start in range(0, len(samples), HOP):
        before = stream.partial.time
        partial = stream.feed(samples[start : start + HOP])
        if partial.time > before:
            assert partial.time - before == pytest.approx(stream.chunk_seconds)
            texts.append(partial.text)
            then(len(texts))
    before = stream.partial.time
    result = stream.finish()
    if stream.partial.time > before:
        texts.append(stream.partial.text)
    return texts, result
