"""GGUF files of other projects that cannot be converted: a named error, and nothing left behind."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from foreign_files import PLANAR, Checkpoint, Foreign, read_checkpoint
from foreign_writers import WRITERS

from parrotlet._convert import convert
from parrotlet.errors import CheckpointError, ModelFileError, ParrotletError, UnsupportedModelError

SMALL = "parakeet-tdt_ctc-110m"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return read_checkpoint(SMALL)


@pytest.fixture(scope="module")
def cache_aware() -> Checkpoint:
    return read_checkpoint("nemotron-speech-streaming-en-0.6b")


def refused(
    theirs: Foreign | Path,
    tmp_path: Path,
    error: type[ParrotletError] = UnsupportedModelError,
    **options: Any,
) -> str:
    """The message with which a file is refused; nothing may be left behind."""
    source = tmp_path / "m.gguf"
    if isinstance(theirs, Foreign):
        theirs.write(source)
    with pytest.raises(error) as caught:
        convert(source, tmp_path / "out.gguf", **options)
    assert str(caught.value).startswith(f"{source}: ")
    assert [p.name for p in tmp_path.iterdir()] == ["m.gguf"]
    return str(caught.value)


# Whose file it is ---------------------------------------------------------------------------


def test_a_bundle_is_named_with_its_parts(tmp_path) -> None:
    bundle = Foreign(
        "parakeet-bundle",
        {"parakeet.bundle.version": 1, "parakeet.bundle.components": ["asr", "vad"]},
        {"asr.joint.enc.weight": (np.ones((1, 1), np.float32), "f32")},
    )
    message = refused(bundle, tmp_path)
    assert "is a bundle of several models (asr, vad)" in message


def test_ternary_weights_are_named(checkpoint, tmp_path) -> None:
    theirs = WRITERS["parakeet.cpp"](checkpoint)
    name = "encoder.layers.0.feed_forward1.linear1"
    ternary = theirs.with_tensors(
        {
            f"{name}.weight": None,
            f"{name}.qweight": (np.ones((64, 8), np.float32), "f32"),
            f"{name}.scales": (np.ones((64, 2), np.float32), "f32"),
        }
    )
    message = refused(ternary, tmp_path)
    assert f"ternary weights (tensor '{name}.qweight')" in message
    assert "f16 or q8_0" in message


def test_an_unknown_project(tmp_path) -> None:
    message = refused(Foreign("llama", {"llama.block_count": 1}), tmp_path)
    assert "general.architecture is 'llama'" in message
    for project in WRITERS:
        assert project in message


def test_our_own_file_needs_no_conversion(converted, tmp_path) -> None:
    (tmp_path / "m.gguf").write_bytes(converted("parakeet-ctc-0.6b", "q8_0").read_bytes())
    assert "parrotlet quantize" in refused(tmp_path / "m.gguf", tmp_path)


@pytest.mark.parametrize("other", [name for name in WRITERS if name != "parakeet.cpp"])
def test_mixed_dialects_are_refused(other, checkpoint, tmp_path) -> None:
    theirs = WRITERS["parakeet.cpp"](checkpoint)
    mixed = dataclasses.replace(
        WRITERS[other](checkpoint),
        metadata={**WRITERS[other](checkpoint).metadata, **theirs.metadata},
    )
    message = refused(mixed, tmp_path, CheckpointError)
    assert f"{other} (" in message
    assert "parakeet.cpp (" in message


def test_names_of_another_dialect_are_refused(checkpoint, tmp_path) -> None:
    theirs = WRITERS["parakeet.cpp"](checkpoint)
    mixed = dataclasses.replace(theirs, tensors=WRITERS["transcribe.cpp"](checkpoint).tensors)
    refused(mixed, tmp_path, UnsupportedModelError)


def test_two_tensors_of_one_name(checkpoint, tmp_path) -> None:
    theirs = WRITERS["CrispASR"](checkpoint)
    twice = theirs.with_tensors({"joint.joint_net.2.bias": theirs.tensors["joint.out.bias"]})
    message = refused(twice, tmp_path, CheckpointError)
    assert "'joint.out.bias'" in message
    assert "'joint.joint_net.2.bias'" in message


# What it says -------------------------------------------------------------------------------


MISSING = {
    "NeMo-Speech.cpp": "asr.encoder.n_heads",
    "parakeet.cpp": "parakeet.encoder.n_heads",
    "transcribe.cpp": "stt.parakeet.encoder.n_heads",
    "CrispASR": "parakeet.n_heads",
}


@pytest.mark.parametrize(("project", "key"), MISSING.items())
@pytest.mark.parametrize("value", [None, 0, -1, 1 << 31, "eight", 5, [8, 8]])
def test_keys_that_are_missing_or_lie(project, key, value, checkpoint, tmp_path) -> None:
    theirs = WRITERS[project](checkpoint)
    message = refused(theirs.having(**{key: value}), tmp_path, CheckpointError)
    assert (key if value != 5 else "encoder.n_heads") in message


LIES = [
    ("NeMo-Speech.cpp", "asr.head_type", "aed", UnsupportedModelError),
    ("NeMo-Speech.cpp", "asr.encoder.d_ff", 65, UnsupportedModelError),
    ("NeMo-Speech.cpp", "asr.preprocessor.hann_periodic", True, UnsupportedModelError),
    ("NeMo-Speech.cpp", "asr.tokenizer.type", "none", UnsupportedModelError),
    ("NeMo-Speech.cpp", "asr.tokenizer.spm_model", "*", CheckpointError),
    ("NeMo-Speech.cpp", "asr.tokenizer.spm_model", "AAAA", CheckpointError),
    ("NeMo-Speech.cpp", "asr.tokenizer.spm_model", None, CheckpointError),
    ("NeMo-Speech.cpp", "asr.rnnt.blank_id", 0, UnsupportedModelError),
    ("NeMo-Speech.cpp", "asr.rnnt.vocab_size", 12, CheckpointError),
    ("NeMo-Speech.cpp", "asr.rnnt.prompt_dictionary", ["de"], CheckpointError),
    ("NeMo-Speech.cpp", "asr.tdt.durations", [0, 1], CheckpointError),
    ("NeMo-Speech.cpp", "asr.encoder.conv_context", "right", CheckpointError),
    ("parakeet.cpp", "parakeet.arch", "moonshine", UnsupportedModelError),
    ("parakeet.cpp", "parakeet.arch", "ctc", CheckpointError),
    ("parakeet.cpp", "parakeet.vocab_size", 4, CheckpointError),
    ("parakeet.cpp", "parakeet.blank_id", 0, UnsupportedModelError),
    ("parakeet.cpp", "parakeet.tokenizer.pieces", None, CheckpointError),
    ("parakeet.cpp", "parakeet.tokenizer.pieces", [1, 2], CheckpointError),
    ("parakeet.cpp", "parakeet.encoder.att_context_presets", [1, 2, 3], CheckpointError),
    ("parakeet.cpp", "parakeet.joint.activation", "gelu", UnsupportedModelError),
    ("parakeet.cpp", "parakeet.preprocessor.normalize", "all_features", UnsupportedModelError),
    ("parakeet.cpp", "parakeet.preprocessor.preemph", float("nan"), CheckpointError),
    ("transcribe.cpp", "stt.parakeet.head_kind", "aed", UnsupportedModelError),
    ("transcribe.cpp", "stt.parakeet.encoder.spk_kernel_layers", [0], UnsupportedModelError),
    ("transcribe.cpp", "stt.frontend.window", "hamming", UnsupportedModelError),
    ("transcribe.cpp", "stt.frontend.f_min", 20.0, UnsupportedModelError),
    ("transcribe.cpp", "stt.frontend.n_fft", 1 << 30, CheckpointError),
    ("transcribe.cpp", "stt.frontend.sample_rate", 8000, UnsupportedModelError),
    ("transcribe.cpp", "tokenizer.ggml.tokens", None, CheckpointError),
    ("transcribe.cpp", "tokenizer.ggml.scores", [0.0], CheckpointError),
    ("transcribe.cpp", "tokenizer.ggml.blank_token_id", 0, UnsupportedModelError),
    ("transcribe.cpp", "stt.parakeet.predictor.vocab", 3, CheckpointError),
    ("CrispASR", "parakeet.vocab_size", 4, CheckpointError),
    ("CrispASR", "parakeet.blank_id", 3, UnsupportedModelError),
    ("CrispASR", "parakeet.n_layers", 1 << 20, CheckpointError),
    ("CrispASR", "parakeet.n_tdt_durations", 4, CheckpointError),
    ("CrispASR", "tokenizer.ggml.tokens", None, CheckpointError),
]


@pytest.mark.parametrize(("project", "key", "value", "error"), LIES)
def test_what_makes_no_sense(project, key, value, error, checkpoint, tmp_path) -> None:
    refused(WRITERS[project](checkpoint).having(**{key: value}), tmp_path, error)


def test_numbers_in_place_of_a_tokenizer(checkpoint, tmp_path) -> None:
    theirs = WRITERS["CrispASR"](checkpoint)
    count = len(checkpoint.vocabulary.tokens)
    numbers = theirs.having(tokenizer__ggml__tokens=[f"<{i}>" for i in range(count)])
    assert "numbers in place of tokens" in refused(numbers, tmp_path, CheckpointError)


def test_prompts_of_unequal_lists(checkpoint, tmp_path) -> None:
    prompts: dict[str, Any] = {
        "parakeet.prompt.present": True,
        "parakeet.prompt.num_prompts": 4,
        "parakeet.prompt.dictionary.keys": ["de-DE", "auto"],
        "parakeet.prompt.dictionary.values": [0],
    }
    message = refused(
        WRITERS["parakeet.cpp"](checkpoint).having(**prompts), tmp_path, CheckpointError
    )
    assert "2 languages" in message


def test_a_cache_aware_model_without_its_contexts(cache_aware, tmp_path) -> None:
    """CrispASR's first architecture does not have them; its frequencies show what it is."""
    theirs = WRITERS["CrispASR"](cache_aware)
    metadata = {
        key.replace("nemotron.", "parakeet."): value
        for key, value in theirs.metadata.items()
        if "context" not in key and "causal" not in key
    }
    wrong = dataclasses.replace(theirs, architecture="parakeet", metadata=metadata)
    assert "attention contexts" in refused(wrong, tmp_path)


def test_a_bias_in_a_model_without_biases(cache_aware, tmp_path) -> None:
    theirs = WRITERS["CrispASR"](cache_aware)
    name = "encoder.layers.0.conv.dw.bias"
    wrong = theirs.with_tensors({name: (theirs.tensors[name][0] + 1, "f32")})
    assert "a bias that is not zero" in refused(wrong, tmp_path, CheckpointError)


# What it holds ------------------------------------------------------------------------------


@pytest.mark.parametrize("project", WRITERS)
def test_tensors_of_other_shapes(project, checkpoint, tmp_path) -> None:
    theirs = WRITERS[project](checkpoint)
    name = "joint.pred.weight"
    values, type = theirs.tensors[name]
    wrong = theirs.with_tensors({name: (np.ascontiguousarray(values.T), type)})
    assert f"'{name}' has shape" in refused(wrong, tmp_path, CheckpointError)
    assert f"'{name}' is missing" in refused(
        theirs.with_tensors({name: None}), tmp_path, CheckpointError
    )
    extra = theirs.with_tensors({"joint.more.weight": (values, "f32")})
    assert "'joint.more.weight' is not part" in refused(extra, tmp_path, CheckpointError)


@pytest.mark.parametrize("type", ["f32", "q8_0"])
def test_values_that_are_not_finite(type, checkpoint, tmp_path) -> None:
    name = "encoder.layers.0.feed_forward1.linear2.weight"
    theirs = WRITERS["parakeet.cpp"](checkpoint, "f32")
    values = theirs.tensors[name][0].copy()
    if type == "f32":
        values[0, 0] = np.nan
    else:
        values = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
        values[0, :2] = (0, 0x7E)  # the first scale
    message = refused(
        theirs.with_tensors({name: (values, type)}), tmp_path, CheckpointError, type="q8_0"
    )
    assert f"'{name}' has values that are not finite" in message


def test_narrower_types_than_the_file_has(checkpoint, tmp_path) -> None:
    theirs = WRITERS["parakeet.cpp"](checkpoint, "q8_0")
    message = refused(theirs, tmp_path, type="q4_k")
    assert "is q8_0 already" in message
    old = WRITERS["parakeet.cpp"](checkpoint).retyped(r".*linear2\.weight", "q5_0")
    assert "is q5_0 already" in refused(old, tmp_path, type="q5_k")


def test_a_planar_tensor_is_not_taken_for_blocks(checkpoint, tmp_path) -> None:
    """The same bytes said to be blocks are other values, mostly no numbers."""
    theirs = WRITERS["NeMo-Speech.cpp"](checkpoint, PLANAR).write(tmp_path / "planar.gguf")
    made = convert(theirs, tmp_path / "made.gguf")
    plain = WRITERS["NeMo-Speech.cpp"](checkpoint, "q8_0").write(tmp_path / "blocks.gguf")
    expected = convert(plain, tmp_path / "expected.gguf", name="planar")
    assert made.read_bytes() == expected.read_bytes()
    assert theirs.read_bytes() != plain.read_bytes()


def test_an_unknown_layout_of_blocks(tmp_path) -> None:
    theirs = WRITERS["NeMo-Speech.cpp"](read_checkpoint("parakeet-ctc-0.6b"), "q8_0")
    for key in ("asr.encoder.q8_layout", "asr.encoder.qkv_q8_layout"):
        message = refused(theirs.having(**{key: "tensor_planar_v2"}), tmp_path)
        assert f"{key} is 'tensor_planar_v2'" in message


@pytest.mark.parametrize("project", WRITERS)
def test_cut_files(project, checkpoint, tmp_path) -> None:
    data = WRITERS[project](checkpoint).write(tmp_path / "m.gguf").read_bytes()
    for size in (4, 23, 200, 5000, len(data) // 2, len(data) - 40):
        (tmp_path / "m.gguf").write_bytes(data[:size])
        refused(tmp_path / "m.gguf", tmp_path, ModelFileError)


def test_an_unknown_type_is_named(checkpoint, tmp_path) -> None:
    theirs = WRITERS["parakeet.cpp"](checkpoint).write(tmp_path / "m.gguf")
    name = b"joint.pred.weight"
    data = bytearray(theirs.read_bytes())
    place = data.index(name) + len(name) + 4 + 2 * 8
    assert data[place : place + 4] == bytes(4)  # f32
    data[place : place + 4] = struct.pack("<I", 77)
    theirs.write_bytes(data)
    message = refused(theirs, tmp_path, ModelFileError)
    assert "joint.pred.weight has GGML type 77" in message
