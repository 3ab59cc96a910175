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
from parrotlet import _core

SAID = "the quick brown fox jumps over the lazy dog"

# What a dialect cannot say: its files then have other metadata than those of the checkpoint.
UNSAID = {
    "NeMo-Speech.cpp": {"attention.contexts"},
    "parakeet.cpp": {"tokenizer"},
    "transcribe.cpp": {"tokenizer", "heads", "nemo_class"},
    "CrispASR": {"tokenizer"},
}

ARCHITECTURES = (
    "parakeet-tdt_ctc-110m",
    "parakeet-tdt-0.6b-v3",
    "parakeet-rnnt-0.6b",
    "parakeet-ctc-0.6b",
    "nemotron-speech-streaming-en-0.6b",
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


# The same model -----------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("project", WRITERS)
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
