"""Streams that search with a beam: final text stays, and the end is what `transcribe` says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import Decoding
from parrotlet.audio import read_audio


@pytest.fixture(scope="module")
def model() -> parrotlet.Model:
    return parrotlet.load("demo", threads=1)


@pytest.mark.parametrize(
    ("head", "strategy"),
    [("transducer", "malsd_batch"), ("transducer", "maes_batch"), ("ctc", "beam_batch")],
)
@pytest.mark.parametrize("name", ["example", "spelled"])
def test_what_is_final_stays(
    name: str, head: str, strategy: str, model: parrotlet.Model, examples_dir: Path
) -> None:
    decoding = Decoding(head=head, beam=4, nbest=4, strategy=strategy)
    samples = read_audio(examples_dir / f"{name}.wav", model.sample_rate)
    samples = samples + np.random.default_rng(1).normal(0, 0.002, len(samples)).astype(np.float32)
    stream = model.stream(decoding=decoding)
    final, texts = "", set()
    for first in range(0, len(samples), 2000):
        partial = stream.feed(samples[first : first + 2000])
        assert partial.final.startswith(final)
        final = partial.final
        texts.add(partial.text)
    result = stream.finish()
    assert stream.partial.final == result.text
    assert result.text.startswith(final)
    assert len(texts) > 4
    offline = model.transcribe(samples, decoding=decoding)
    assert (result.text, result.tokens) == (offline.text, offline.tokens)
    assert len(result.alternatives) == len(offline.alternatives)
    assert result.alternatives[0].tokens == result.tokens


def test_alternatives_are_given_where_they_are_asked_for(
    model: parrotlet.Model, examples_dir: Path
) -> None:
    samples = read_audio(examples_dir / "example.wav", model.sample_rate)
    for nbest, given in ((1, 0), (2, 2)):
        decoding = Decoding(beam=4, nbest=nbest)
        stream = model.stream(decoding=decoding)
        stream.feed(samples)
        result = stream.finish()
        assert len(result.alternatives) == given
        assert len(model.transcribe(samples, decoding=decoding).alternatives) == given
