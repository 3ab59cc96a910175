"""GGUF files of other projects: what they become equals what the same checkpoint becomes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from foreign_files import PLANAR, Foreign, read_checkpoint
from foreign_writers import WRITERS

import parrotlet
import parrotlet.memory
from parrotlet import Stream, _core
from parrotlet._convert.foreign.parakeet_cpp import ParakeetCpp
from parrotlet.audio import read_audio

SAID = "the quick brown fox jumps over the lazy dog"

# What a dialect cannot say: its files then have other metadata than those of the checkpoint.
UNSAID = {
    "NeMo-Speech.cpp": {"attention.contexts", "chunk_contexts"},
    "parakeet.cpp": {"tokenizer", "chunk_contexts"},
    "transcribe.cpp": {"tokenizer", "heads", "nemo_class"},
    "CrispASR": {"tokenizer", "prompt", "attention.style", "chunk_contexts"},
}

LOCAL = "parakeet-tdt_ctc-1.1b"

ARCHITECTURES = (
    "parakeet-tdt_ctc-110m",
    "parakeet-tdt-0.6b-v3",
    "parakeet-rnnt-0.6b",
    "parakeet-ctc-0.6b",
    "nemotron-speech-streaming-en-0.6b",
    "parakeet-unified-en-0.6b",
    "nemotron-3.5-asr-streaming-0.6b",
    LOCAL,
)

MATRIX = "encoder.layers.0.feed_forward1.linear2.weight"

Checkpoints = Callable[..., Foreign]


@pytest.fixture(scope="session")
def foreign() -> Checkpoints:
    """`foreign(project, architecture, type)`: the file that the project makes of a checkpoint."""
    checkpoints: dict[str, Any] = {}

    def make(project: str, architecture: str = "parakeet-tdt_ctc-110m", *type: str) -> Foreign:
        if architecture not in checkpoints:
            checkpoints[architecture] = read_checkpoint(architecture)
        return WRITERS[project](checkpoints[architecture], *type)

    return make


def tensors(path: Path) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
    """Type and values of each tensor."""
    file = _core.GgufFile(str(path))
    return {t.name: (t.type, file.tensor(t.name)) for t in file.tensors}


def unequal(made: Path, own: Path) -> set[str]:
    """Names of tensors that are not in both with the same type and the same bits."""
    a, b = tensors(made), tensors(own)
    return {
        name
        for name in a.keys() | b.keys()
        if name not in a
        or name not in b
        or a[name][0] != b[name][0]
        or not np.array_equal(a[name][1], b[name][1])
    }


def stated(path: Path, unsaid: set[str]) -> dict[str, Any]:
    """Metadata but for the name and what a dialect does not say."""
    return {
        key: value
        for key, value in _core.GgufFile(str(path)).metadata.items()
        if key != "general.name"
        and not any(key.endswith(word) or word in key.split(".") for word in unsaid)
    }


def heard(stream: Stream, samples: np.ndarray[Any, Any]) -> list[str]:
    """The text after every tenth of a second, and in the end."""
    texts = [stream.feed(samples[i : i + 1600]).text for i in range(0, len(samples), 1600)]
    return [*texts, stream.finish().text]


# The same model -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("project", "architecture"),
    [
        (project, architecture)
        for project in WRITERS
        for architecture in ARCHITECTURES
        if (project, architecture) != ("parakeet.cpp", LOCAL)  # which has no limit of attention
    ],
)
def test_a_file_equals_that_of_the_checkpoint(
    project, architecture, foreign, converted, tmp_path, audio_dir
) -> None:
    source = foreign(project, architecture, "f32").write(tmp_path / "theirs.gguf")
    made = parrotlet.convert(source, tmp_path / "made.gguf", type="f32")
    own = converted(architecture, "f32")
    different = unequal(made, own)
    if project == "transcribe.cpp":  # which has no tables, and no second head
        different -= {n for n in different if n.startswith(("preprocessor.", "ctc_decoder."))}
    elif project == "NeMo-Speech.cpp":
        different -= {"preprocessor.featurizer.window"}
    assert different == set()
    assert stated(made, UNSAID[project]) == stated(own, UNSAID[project])
    model, ours = parrotlet.load(made, threads=1), parrotlet.load(own, threads=1)
    assert model.name == "theirs"
    for head in model.heads:
        decoding = parrotlet.Decoding(head)
        for clip in ("clip01", "clip04"):
            path = audio_dir / f"{clip}.wav"
            result = model.transcribe(path, decoding=decoding)
            expected = ours.transcribe(path, decoding=decoding)
            assert result.text == expected.text
            assert [(w.word, w.start, w.end) for w in result.words] == [
                (w.word, w.start, w.end) for w in expected.words
            ]


@pytest.mark.parametrize("project", WRITERS)
def test_languages_and_streams(project, foreign, converted, tmp_path, audio_dir) -> None:
    """Of a model that is told a language, at every context that the file has."""
    architecture = "nemotron-3.5-asr-streaming-0.6b"
    source = foreign(project, architecture, "f32").write(tmp_path / "theirs.gguf")
    model = parrotlet.load(parrotlet.convert(source, tmp_path / "made.gguf", type="f32"), 1)
    ours = parrotlet.load(converted(architecture, "f32"), 1)
    assert sorted(model.languages) == sorted(ours.languages)
    only_first = project == "NeMo-Speech.cpp"
    assert set(model.right_contexts) == set(ours.right_contexts[: 1 if only_first else None])
    samples = read_audio(audio_dir / "clip01.wav", 16_000)
    for language in ("de-DE", "auto"):
        whole, theirs = (m.transcribe(samples, language=language) for m in (model, ours))
        assert (whole.text, whole.language) == (theirs.text, theirs.language)
        for right in model.right_contexts:
            texts, expected = (
                heard(m.stream(right, language=language), samples) for m in (model, ours)
            )
            assert texts == expected


@pytest.mark.parametrize("project", ["NeMo-Speech.cpp", "parakeet.cpp", "transcribe.cpp"])
def test_buffered_streams(project, foreign, converted, tmp_path, audio_dir, caplog) -> None:
    """The contexts of training are stated, or those of the published model are taken."""
    architecture = "parakeet-unified-en-0.6b"
    source = foreign(project, architecture, "f32").write(tmp_path / "theirs.gguf")
    with caplog.at_level(logging.WARNING, "parrotlet"):
        model = parrotlet.load(parrotlet.convert(source, tmp_path / "made.gguf", type="f32"), 1)
    ours = parrotlet.load(converted(architecture, "f32"), 1)
    if project == "transcribe.cpp":
        assert caplog.messages == []
        assert model.chunk_sizes == ours.chunk_sizes
    else:
        (line,) = caplog.messages
        assert line.startswith(f"{source}: does not say which contexts")
        assert model.chunk_sizes == (1, 2, 7, 13)
    samples = read_audio(audio_dir / "clip01.wav", 16_000)
    sizes = {"left_context": 14, "chunk_size": 4, "right_context": 7}
    texts, expected = (heard(m.stream(**sizes), samples) for m in (model, ours))
    assert texts == expected


def test_limited_attention_that_a_file_does_not_have(
    foreign, converted, tmp_path, audio_dir
) -> None:
    """A window gives the model its limit back."""
    source = foreign("parakeet.cpp", LOCAL, "f32").write(tmp_path / "theirs.gguf")
    model = parrotlet.load(parrotlet.convert(source, tmp_path / "made.gguf", type="f32"), 1)
    clip = audio_dir / "clip01.wav"
    expected = parrotlet.load(converted(LOCAL, "f32"), 1).transcribe(clip).text
    assert model.transcribe(clip, attention_window=8).text == expected
    assert model.transcribe(clip).text != expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, True),
        ({"n_layers": 24}, False),
        ({"d_model": 512}, False),
        ({"att_context_size": [128, 128]}, False),
        ({"att_context_style": "chunked_limited"}, False),
    ],
)
def test_the_sizes_of_a_published_model_with_limited_attention(changes, said) -> None:
    encoder = {
        "n_layers": 42,
        "d_model": 1024,
        "att_context_style": "regular",
        "att_context_size": [-1, -1],
    }
    doubt = ParakeetCpp().doubt({"encoder": encoder | changes, "joint": {}, "aux_ctc": {}})
    assert ("parakeet-tdt_ctc-1.1b" in doubt and "--attention-window 128" in doubt) == said
    assert bool(doubt) == said
    assert ParakeetCpp().doubt({"encoder": encoder, "joint": {}}) == ""


@pytest.mark.parametrize("project", ["NeMo-Speech.cpp", "transcribe.cpp"])
def test_what_a_file_leaves_open_is_said(project, foreign, tmp_path, caplog) -> None:
    keys = {
        "NeMo-Speech.cpp": "asr.encoder.offline_{}_ctx",
        "transcribe.cpp": "stt.parakeet.encoder.att_context_{}",
    }
    limits = {keys[project].format("left"): 8, keys[project].format("right"): 4}
    source = foreign(project).having(**limits).write(tmp_path / "theirs.gguf")
    with caplog.at_level(logging.WARNING, "parrotlet"):
        made = parrotlet.convert(source, tmp_path / "made.gguf")
    (line,) = caplog.messages
    assert line.startswith(f"{source}: attention is limited")
    assert _core.GgufFile(str(made)).metadata["conformer.attention.contexts"] == [8, 4]
    caplog.clear()
    parrotlet.convert(foreign(project).write(source), made)
    assert caplog.messages == []


@pytest.mark.parametrize("project", WRITERS)
def test_striding_and_large_subsamplings(project, foreign, converted, tmp_path) -> None:
    architecture = "stt_en_conformer_ctc_small"
    source = foreign(project, architecture, "f32").write(tmp_path / "theirs.gguf")
    made = parrotlet.convert(source, tmp_path / "made.gguf", type="f32")
    assert {n for n in unequal(made, converted(architecture, "f32")) if "featurizer" not in n} == (
        set()
    )


@pytest.mark.parametrize(
    ("project", "type"),
    [(project, "q8_0") for project in WRITERS] + [("NeMo-Speech.cpp", PLANAR)],
)
def test_blocks_are_copied(project, type, foreign, converted, tmp_path) -> None:
    """Matrices are to the bit those of the file, and of the checkpoint's own conversion; those that
    the file has in f16 or f32 are quantised as a checkpoint's are."""
    architecture = "parakeet-tdt_ctc-110m"
    source = foreign(project, architecture, type).write(tmp_path / "theirs.gguf")
    made = parrotlet.convert(source, tmp_path / "made.gguf")
    own = converted(architecture, "q8_0")
    wrong = {n for n in unequal(made, own) if not n.startswith(("preprocessor.", "ctc_decoder."))}
    assert wrong == set()


def test_every_type_of_blocks_is_copied(foreign, tmp_path) -> None:
    """Also where the values would be quantised to other blocks than these."""
    rng = np.random.default_rng(0)
    theirs = foreign("parakeet.cpp")
    for type in set(_core.types()) - {"f32", "f16"}:
        values = rng.standard_normal((64, 256)).astype(np.float32)
        changed = theirs.with_tensors({MATRIX: (values, type)})
        source = changed.write(tmp_path / "theirs.gguf")
        made = parrotlet.convert(source, tmp_path / "made.gguf")
        assert raw(made) == raw(source)
        assert _core.GgufFile(str(made)).metadata["general.file_type"] == 7  # as most matrices


def raw(path: Path) -> tuple[str, bytes]:
    """Type and bytes of a matrix."""
    (found,) = (t for t in _core.GgufFile(str(path)).tensors if t.name == MATRIX)
    return found.type, path.read_bytes()[found.offset :][: found.n_bytes]


def test_the_type_of_most_matrices_is_that_of_the_file(foreign, tmp_path) -> None:
    theirs = foreign("parakeet.cpp", "parakeet-ctc-0.6b", "q8_0")
    theirs = theirs.retyped(r".*\.linear2\.weight", "q4_k")
    source = theirs.write(tmp_path / "theirs.gguf")
    types = {
        type: parrotlet.convert(source, tmp_path / f"{type}.gguf", type=type)
        for type in ("f32", "f16", "q8_0")
    }
    numbers = {
        type: _core.GgufFile(str(path)).metadata["general.file_type"]
        for type, path in types.items()
    }
    assert numbers == {"f32": 0, "f16": 1, "q8_0": 7}
    assert {t.type for t in _core.GgufFile(str(types["f16"])).tensors} == {"f32", "f16"}
    assert raw(types["q8_0"])[0] == "q4_k"


@pytest.mark.parametrize("type", ["f32", "f16"])
def test_blocks_are_decoded_for_wide_types(type, foreign, tmp_path) -> None:
    source = foreign("parakeet.cpp", "parakeet-ctc-0.6b", "q8_0").write(tmp_path / "theirs.gguf")
    made = parrotlet.convert(source, tmp_path / "made.gguf", type=type)
    found, values = tensors(made)[MATRIX]
    assert found == type
    expected = tensors(source)[MATRIX][1]
    np.testing.assert_array_equal(values, expected.astype({"f32": "f4", "f16": "f2"}[type]))


@pytest.mark.parametrize("type", ["q4_0", "q4_1", "q5_0", "q5_1", "bf16", "iq4_nl"])
def test_types_of_others_are_decoded(type, foreign, tmp_path) -> None:
    """GGML's definition of what the blocks say is that of the `gguf` package."""
    theirs = foreign("parakeet.cpp")
    values, _ = theirs.tensors[MATRIX]
    kind = gguf.GGMLQuantizationType[type.upper()]
    if type == "iq4_nl":  # which the package only decodes
        rng = np.random.default_rng(0)
        blocks = rng.integers(0, 255, (64, 8 * 18), np.uint8)
        blocks.reshape(64, 8, 18)[:, :, :2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    else:
        blocks = gguf.quants.quantize(values, kind)
    expected = gguf.quants.dequantize(blocks, kind)
    source = theirs.with_tensors({MATRIX: (blocks, type)}).write(tmp_path / "theirs.gguf")
    made = parrotlet.convert(source, tmp_path / "made.gguf", type="f32")
    np.testing.assert_array_equal(tensors(made)[MATRIX][1], expected)
