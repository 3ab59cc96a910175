"""Detecting what a configuration describes, arguments, and errors that name what is missing."""

from __future__ import annotations

import json
import os

import pytest

from parrotlet.errors import CheckpointError, ModelFileError, UnsupportedModelError
from parrotlet.memory import detect, plan, preset_names

WHISPER = {
    "model_type": "whisper",
    "is_encoder_decoder": True,
    "d_model": 64,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 256,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 256,
    "vocab_size": 1000,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
    "max_target_positions": 448,
}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
}
AUDIO = {key: WHISPER[key] for key in WHISPER if not key.startswith("decoder")}
AUDIO_LLM = {
    "model_type": "something new",
    "audio_config": {**AUDIO, "model_type": "whisper"},
    "text_config": LLAMA,
}


@pytest.mark.parametrize(
    ("values", "kind"),
    (
        (WHISPER, "encoder-decoder"),
        ({"is_encoder_decoder": True}, "encoder-decoder"),
        ({"encoder_layers": 2, "decoder_layers": 2}, "encoder-decoder"),
        ({"audio_config": {"d_model": 4}}, "encoder-decoder"),
        (AUDIO_LLM, "audio-llm"),
        ({"audio_config": {"d_model": 4}, "text_config": {"hidden_size": 4}}, "audio-llm"),
        ({"thinker_config": AUDIO_LLM}, "audio-llm"),
        (LLAMA, "decoder-only"),
        ({"hidden_size": 4, "num_hidden_layers": 4}, "decoder-only"),
        ({"target": "nemo.collections.asr.models.EncDecRNNTBPEModel"}, "transducer"),
        ({"target": "nemo.collections.asr.models.EncDecCTCModelBPE"}, "ctc"),
        ({"target": "nemo.collections.asr.models.EncDecHybridRNNTCTCBPEModel"}, "transducer"),
        ({"preprocessor": {}, "encoder": {}, "decoder": {}, "joint": {}}, "transducer"),
        ({"num_lmu_layers": 4}, "ctc"),
    ),
)
def test_detect(values, kind) -> None:
    assert detect(values) == kind


@pytest.mark.parametrize("values", ({}, {"hidden_size": 4}, {"model_type": "unheard of"}))
def test_detect_nothing(values) -> None:
    with pytest.raises(UnsupportedModelError, match="not a configuration of a known kind"):
        detect(values)


@pytest.mark.parametrize(
    ("values", "missing"),
    (
        (WHISPER, "d_model"),
        (WHISPER, "encoder_layers"),
        (WHISPER, "encoder_ffn_dim"),
        (WHISPER, "decoder_layers"),
        (WHISPER, "decoder_attention_heads"),
        (WHISPER, "decoder_ffn_dim"),
        (WHISPER, "vocab_size"),
        (LLAMA, "num_attention_heads"),
        (LLAMA, "intermediate_size"),
        (LLAMA, "vocab_size"),
    ),
)
def test_missing_key_is_named(values, missing, tmp_path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({k: v for k, v in values.items() if k != missing}))
    with pytest.raises(CheckpointError, match="the configuration has no key ") as caught:
        plan(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert f"'{missing}'" in str(caught.value)


def test_missing_key_of_a_section_is_named_in_full() -> None:
    text = {key: value for key, value in LLAMA.items() if key != "num_hidden_layers"}
    with pytest.raises(CheckpointError, match=r"no key 'text_config\.num_hidden_layers'"):
        plan({**AUDIO_LLM, "text_config": text})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    (
        ("d_model", "wide", "d_model must be a whole number of at least 1, not 'wide'"),
        ("encoder_layers", -1, "encoder_layers must be a whole number of at least 1, not -1"),
        ("vocab_size", 10.5, "vocab_size must be a whole number of at least 1, not 10.5"),
        ("tie_word_embeddings", "yes", "tie_word_embeddings must be true or false, not 'yes'"),
    ),
)
def test_wrong_value_is_named(key, value, message) -> None:
    with pytest.raises(CheckpointError, match=message):
        plan({**WHISPER, key: value})


def test_heads_that_do_not_divide() -> None:
    with pytest.raises(CheckpointError, match="num_attention_heads is 4, which does not divide"):
        plan({**LLAMA, "num_key_value_heads": 3})


def test_part_that_is_no_preset() -> None:
    values = {
        "model_type": "ultravox",
        "audio_model_id": "openai/whisper-enormous",
        "text_model_id": "meta-llama/Llama-3.2-1B-Instruct",
        "hidden_size": 4096,
    }
    with pytest.raises(CheckpointError, match="'openai/whisper-enormous', which is no preset"):
        plan(values)


def test_unknown_name_suggests() -> None:
    with pytest.raises(UnsupportedModelError, match="did you mean whisper-large-v3"):
        plan("whisper-larg-v3")


def test_names_of_presets() -> None:
    names = preset_names()
    assert names == sorted(set(names))
    assert {"demo", "parakeet-tdt-0.6b-v2", "whisper-tiny", "lmu-large"} <= set(names)
    assert plan("openai/whisper-tiny").layers == plan("whisper-tiny").layers


def test_directory_of_a_config(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(WHISPER))
    report = plan(tmp_path)
    assert report.name == tmp_path.name
    assert report.layers == plan(WHISPER).layers


@pytest.mark.parametrize(
    ("name", "content", "error"),
    (
        ("config.json", b"{", CheckpointError),
        ("config.json", b"[]", CheckpointError),
        ("config.yaml", b"a: [", CheckpointError),
        ("model.gguf", b"GGUF\x03", ModelFileError),
        ("model.nemo", b"neither tar nor zip", CheckpointError),
    ),
)
def test_damaged_file_is_named(name, content, error, tmp_path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=name.replace(".", r"\.")):
        plan(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(ModelFileError, match="cannot be opened"):
        plan(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    (
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"batch": 0}, "batch is 0; expected a whole number from 1"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": 5000}, "threads is 5000"),
        ({"tokens": -1}, "tokens is -1"),
        ({"tensor_parallel": 0}, "tensor_parallel is 0"),
        ({"mode": "live"}, "mode is 'live'; expected one of offline, streaming"),
        ({"type": "q3_k"}, "type is 'q3_k'; expected one of f32, f16"),
        ({"cache_type": "f8"}, "type is 'f8'"),
    ),
)
def test_bad_argument(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        plan(WHISPER, **settings)
