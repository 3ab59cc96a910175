"""`parrotlet.memory.plan` of the configurations of NeMo's models in `transformers`."""

from __future__ import annotations

import json

import pytest

from parrotlet import convert
from parrotlet.architectures.conformer.transformers_config import MODEL_CLASSES
from parrotlet.errors import CheckpointError, UnsupportedModelError
from parrotlet.memory import plan


def huggingface(head: str, vocab: int, bias: bool, mels: int = 80) -> dict[str, object]:
    """A `config.json` as published, less what sizes do not depend on."""
    encoder = {
        "model_type": "parakeet_encoder",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "num_mel_bins": mels,
        "attention_bias": bias,
        "convolution_bias": bias,
        "scale_input": False,
        "conv_kernel_size": 9,
        "subsampling_factor": 8,
        "subsampling_conv_channels": 256,
    }
    transducer = {"decoder_hidden_size": 640, "num_decoder_layers": 2, "is_encoder_decoder": True}
    return {
        "model_type": f"parakeet_{head}",
        "vocab_size": vocab,
        "pad_token_id" if head == "ctc" else "blank_token_id": vocab - 1,
        "encoder_config": encoder,
        **({} if head == "ctc" else transducer),
        **({"durations": [0, 1, 2, 3, 4]} if head == "tdt" else {}),
    }


@pytest.mark.parametrize(
    ("values", "preset"),
    (
        (huggingface("ctc", 1025, bias=True), "parakeet-ctc-0.6b"),
        (huggingface("rnnt", 1025, bias=True), "parakeet-rnnt-0.6b"),
        (huggingface("tdt", 8193, bias=False, mels=128), "parakeet-tdt-0.6b-v3"),
    ),
)
def test_configurations_of_transformers(values, preset, tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(values))
    report, expected = plan(tmp_path, threads=2), plan(preset, threads=2)
    assert (report.kind, report.layers) == (expected.kind, expected.layers)
    assert report.estimates == expected.estimates


def test_streaming_configuration_of_transformers(tmp_path) -> None:
    values = huggingface("rnnt", 1025, bias=False, mels=128)
    values["model_type"] = "nemotron_asr_streaming"
    values["encoder_config"] |= {
        "model_type": "nemotron_asr_streaming_encoder",
        "sliding_window": 71,
        "default_num_lookahead_tokens": 13,
    }
    (tmp_path / "config.json").write_text(json.dumps(values))
    name = "nemotron-speech-streaming-en-0.6b"
    for mode in ("offline", "streaming"):
        report, expected = (plan(model, threads=2, mode=mode) for model in (tmp_path, name))
        assert (report.kind, report.layers) == (expected.kind, expected.layers)
        assert report.estimates == expected.estimates
    # The processor's configuration lists the other look-aheads.
    assert [row.right_context for row in report.stream_caches] == [13, 6, 1, 0]
    processor = {"feature_size": 128, "supported_num_lookahead_tokens": [0]}
    (tmp_path / "processor_config.json").write_text(json.dumps(processor))
    assert [row.right_context for row in plan(tmp_path).stream_caches] == [13, 0]


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_directory_that_transformers_saved(name, data_dir, tmp_path) -> None:
    directory = data_dir / "transformers" / name
    convert(directory, tmp_path / "model.gguf", type="f32")
    report = plan(directory, type="f32", threads=2)
    file = plan(tmp_path / "model.gguf", threads=2)
    assert (report.parameters, report.bytes["q8_0"]) == (file.parameters, file.bytes["q8_0"])
    assert report.estimates["f32"] == file.estimates["f32"]
    assert report.stream_caches == file.stream_caches


@pytest.mark.parametrize("key", ("vocab_size", "decoder_hidden_size", "num_decoder_layers"))
def test_configuration_that_lacks_a_key(key) -> None:
    values = huggingface("tdt", 8193, bias=False)
    del values[key]
    with pytest.raises(CheckpointError, match=f"the configuration has no key '{key}'"):
        plan(values)
    values = huggingface("ctc", 1025, bias=True)
    del values["encoder_config"]["intermediate_size"]
    with pytest.raises(CheckpointError, match=r"no key 'encoder_config\.intermediate_size'"):
        plan(values)


@pytest.mark.parametrize("model_type", ("canary", "lasr_ctc"))
def test_other_models_of_transformers_are_refused_by_name(model_type) -> None:
    values = {**huggingface("rnnt", 1025, bias=True), "model_type": model_type}
    with pytest.raises(UnsupportedModelError, match=f"model_type is '{model_type}'.*parakeet_tdt"):
        plan(values)
