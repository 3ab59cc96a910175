"""Language prompts against NeMo: offline, in streams, and changed on the way.

`tests/data/README.md` says how NeMo's results were made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison import check_tokens, followed

import parrotlet
from parrotlet import Decoding, Model, Stream, _core
from parrotlet.audio import read_audio

NAME = "nemotron-3.5-asr-streaming-0.6b"
DATA = Path(__file__).parent.parent / "data"
KEEP = Decoding(keep_language_tags=True)
STRIPPED = re.compile(r"\s*<[a-z]{2}-[A-Z]{2}>")  # NeMo's `lang_tag_pattern`


def nemo(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / NAME / file).read_text("utf-8"))
    return found


EXPECTED = nemo("expected.json")
CHANGES = nemo("language_change.json")


def samples_of(clip: str) -> np.ndarray:
    return read_audio(DATA / "audio" / f"{clip}.wav", 16_000)


@pytest.fixture
def model(converted: Callable[[str, str], Path], run: int) -> Model:
    return parrotlet.load(converted(NAME, "f32"), threads=run)


@pytest.fixture
def f32(converted: Callable[[str, str], Path]) -> Model:
    return parrotlet.load(converted(NAME, "f32"), threads=1)


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Clip, language and NeMo's results of each."""
    for clip, expected in EXPECTED.items():
        for language, results in expected["prompts"].items():
            yield clip, language, results


def check_stream(
    stream: Stream,
    samples: np.ndarray,
    expected: dict[str, Any],
    then: Callable[[int], None] = lambda _: None,
) -> None:
    texts, result = followed(stream, samples, then)
    assert texts == expected["partials"]
    check_tokens(result, expected)


def test_streams_in_every_language(model: Model) -> None:
    for clip, language, results in cases():
        for right in model.right_contexts:
            stream = model.stream(right, language=language, decoding=KEEP)
            check_stream(stream, samples_of(clip), results[f"stream_{right}"])


def test_tags_are_no_text(f32: Model) -> None:
    """NeMo's text with `strip_lang_tags`; the tokens are the same."""
    for clip, language, results in cases():
        result = f32.transcribe(samples_of(clip), language=language)
        theirs = results["rnnt"]
        text = STRIPPED.sub("", theirs["text"]).strip()
        assert result.text == text
        assert [token.id for token in result.tokens] == theirs["tokens"]
        assert [word.word for word in result.words] == text.split()
        tags = re.findall("<(.*?)>", theirs["text"])
        told = [] if language == "auto" else [language]
        assert result.language == (tags + told)[0]
        assert [segment.language for segment in result.segments] == [result.language]


@pytest.mark.parametrize("right", [int(key.removeprefix("stream_")) for key in CHANGES["clip01"]])
def test_a_language_is_changed_on_the_way(model: Model, right: int) -> None:
    """NeMo's `set_inference_prompt` between two steps of its streaming loop."""
    expected = CHANGES["clip01"][f"stream_{right}"]
    first, second = expected["languages"]
    stream = model.stream(right, language=first, decoding=KEEP)

    def change(chunks: int) -> None:
        if chunks == expected["after"]:
            stream.language = second

    check_stream(stream, samples_of("clip01"), expected, change)
    assert stream.language == second


@pytest.mark.parametrize("kind", ["f32", "q8_0"])
def test_streams_of_several_languages_share_a_pass(
    converted: Callable[[str, str], Path], kind: str, isa: str
) -> None:
    """Each gives to the bit what it gives alone, at different contexts and prompts."""
    core = _core.Model(str(converted(NAME, kind)), 2)
    chosen = [((28, 13), 0), ((28, 0), 9), ((28, 3), 101), ((28, 3), 9)]
    together, alone = (
        [_core.Stream(core, *context, prompt) for context, prompt in chosen] for _ in range(2)
    )
    shared, own = (
        [_core.Search(core, "rnnt", _core.SearchOptions(10)) for _ in chosen] for _ in range(2)
    )
    rng = np.random.default_rng(0)
    for step in range(8):
        pieces = [rng.standard_normal(rng.integers(0, 20_000)).astype(np.float32) for _ in chosen]
        if step == 4:
            for stream in (together[1], alone[1]):
                stream.set_prompt(101)
        found = _core.feed_streams(together, shared, pieces)
        for stream, search, piece, taken in zip(alone, own, pieces, found, strict=True):
            encoded = stream.feed(piece)
            assert taken == (len(encoded), *search.feed(encoded))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.finish(), other.finish())


def test_frames_with_a_prompt_are_those_of_the_definition(f32: Model, tmp_path: Path) -> None:
    """Linear, ReLU and Linear over frames with the one-hot prompt appended; many rows."""
    torch_order = nemo_weights(tmp_path)
    frames = np.random.default_rng(1).standard_normal((600, 32)).astype(np.float32)
    for prompt in (0, 9, 127):
        one_hot = np.zeros((len(frames), 128), np.float32)
        one_hot[:, prompt] = 1
        hidden = np.hstack([frames, one_hot]) @ torch_order["0.weight"].T + torch_order["0.bias"]
        expected = np.maximum(hidden, 0) @ torch_order["2.weight"].T + torch_order["2.bias"]
        got = f32._core.give_prompt(frames, prompt)
        np.testing.assert_allclose(got, expected, atol=1e-5)


def nemo_weights(scratch: Path) -> dict[str, np.ndarray]:
    """The checkpoint's tensors of the prompt kernel."""
    from parrotlet._convert.archive import open_archive
    from parrotlet._convert.checkpoint import TorchCheckpoint

    with open_archive(DATA / NAME / "model.nemo", scratch=scratch) as archive:
        state = TorchCheckpoint(archive.weights)
        names = [name for name in state if name.startswith("prompt_kernel.")]
        return {name.removeprefix("prompt_kernel."): state.read(name) for name in names}
