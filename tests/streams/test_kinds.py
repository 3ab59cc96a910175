"""Groups of streams whose models, languages and searches are of different kinds."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pieces import pieces

import parrotlet
from parrotlet import Decoding, Model, _core
from parrotlet._convert.metadata import model_metadata
from parrotlet._convert.synthetic import numbered_vocabulary, random_values
from parrotlet._convert.writer import write
from parrotlet.architectures import family_with, sizes_in
from parrotlet.architectures.conformer.sizes import Conformer
from parrotlet.architectures.conformer.transducer import HAT, StatelessPredictor
from parrotlet.architectures.storage import choose_types

EOU = "parakeet_realtime_eou_120m-v1"
LANGUAGES = "nemotron-3.5-asr-streaming-0.6b"
LIKELY_LABELS = -6.0
"""HATJoint's bias of the blank with which random weights emit labels, too."""

TRANSDUCERS = {
    "hat": {"joint": HAT},
    "stateless": {"predictor": StatelessPredictor(hidden=64, context=2, layer_norm=True)},
    "tdt": {"durations": (0, 1, 2, 3, 4)},
    "multi-blank": {"big_blanks": (2, 4)},
}


@pytest.fixture
def random_model(
    converted: Callable[[str, str], Path], tmp_path: Path
) -> Callable[[str, str], Model]:
    """`random_model(kind, type)`: a streaming encoder with a transducer of TRANSDUCERS."""

    def load(kind: str, type: str) -> Model:
        sizes = sizes_in(_core.GgufFile(str(converted(EOU, "f32"))))
        assert isinstance(sizes, Conformer) and sizes.transducer is not None
        sizes = replace(sizes, transducer=replace(sizes.transducer, **TRANSDUCERS[kind]))
        family, rng = family_with(sizes), np.random.default_rng(5)
        tensors = family.tensors(sizes)
        shapes = {name: shape for tensor in tensors for name, shape in tensor.sources}

        def read(name: str) -> np.ndarray:
            values = random_values(name, shapes[name], rng)
            return values + LIKELY_LABELS if name == "joint.blank_pred.2.bias" else values

        entries = model_metadata(sizes, numbered_vocabulary(sizes.vocab), kind, type)
        path = tmp_path / f"{kind}.gguf"
        write(path, family.name, entries, choose_types(tensors, family.storage, type), read)
        return parrotlet.load(path, threads=2)

    return load


def check_alike(model: Model, run: Callable[[Callable[..., parrotlet.Stream], int], object]) -> int:
    """Run sixteen streams, eight at a time in a group, and each by itself; return how many chunks
    shared steps with others. `run(open, seed)` returns what a stream gave."""
    seeds = range(16)
    with model.streams(max_streams=16) as group, ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: run(group.open, seed), seeds))
        stats = group.stats()
    assert together == [run(model.stream, seed) for seed in seeds]
    return round(stats.chunks * (1 - 1 / stats.chunks_per_step))


@pytest.mark.parametrize("type", ["f32", "q8_0"])
@pytest.mark.parametrize("kind", TRANSDUCERS)
def test_transducers(random_model: Callable[[str, str], Model], kind: str, type: str) -> None:
    """Predictors without recurrent states, joints with a blank of their own, and durations."""
    model = random_model(kind, type)
    noise = np.random.default_rng(0).standard_normal((4, 24_000)).astype(np.float32)
    beams = (1,) if kind == "multi-blank" else (1, 1, 2)  # where there is one
    emitted: set[int] = set()

    def run(open_stream: Callable[..., parrotlet.Stream], seed: int) -> object:
        source = random.Random(seed)
        stream = open_stream(decoding=Decoding(beam=source.choice(beams)))
        for piece in pieces(source.choice(noise) * 0.1, source):
            stream.feed(piece)
        tokens = stream.finish().tokens
        emitted.update(token.id for token in tokens)
        return tokens

    assert check_alike(model, run) > 0
    assert len(emitted) > 2


@pytest.mark.parametrize("type", ["f32", "q8_0"])
def test_languages(converted: Callable[[str, str], Path], audio_dir: Path, type: str) -> None:
    """Each stream is told a language of its own, some another one on the way."""
    model = parrotlet.load(converted(LANGUAGES, type), threads=2)
    sound = parrotlet.audio.read_audio(audio_dir / "clip04.wav", 16_000)
    assert len(model.languages) > 1

    def run(open_stream: Callable[..., parrotlet.Stream], seed: int) -> object:
        source = random.Random(seed)
        stream = open_stream(
            right_context=source.choice(model.right_contexts),
            language=source.choice(model.languages),
        )
        for piece in pieces(sound, source):
            stream.feed(piece)
            if source.random() < 0.1:
                stream.language = source.choice(model.languages)
        result = stream.finish()
        return result.text, result.tokens, result.words

    assert check_alike(model, run) > 0


@pytest.mark.parametrize("type", ["f32", "q8_0"])
def test_searches_that_come_and_go(
    converted: Callable[[str, str], Path], audio_dir: Path, type: str
) -> None:
    """Right contexts, searches, phrases, pieces, and who leaves before the end, from a seed."""
    model = parrotlet.load(converted(EOU, type), threads=2)
    clips = [
        parrotlet.audio.read_audio(path, 16_000) for path in sorted(audio_dir.glob("clip*"))[:3]
    ]
    decodings = (Decoding(), Decoding(beam=3), Decoding(phrases=["seven", "the"]))

    def run(open_stream: Callable[..., parrotlet.Stream], seed: int) -> object:
        source = random.Random(seed)
        stream = open_stream(
            right_context=source.choice(model.right_contexts), decoding=source.choice(decodings)
        )
        partials = []
        for piece in pieces(source.choice(clips), source):
            partials.append(stream.feed(piece))
            if source.random() < 0.02:
                return partials
        return partials, stream.finish().tokens

    assert check_alike(model, run) > 0
