"""`parrotlet.memory.plan` of models that a Hugging Face configuration describes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from parrotlet.errors import CheckpointError
from parrotlet.memory import plan
from parrotlet.memory.hf.models import PRESETS as FILES

# The audio models of vLLM 0.11, and a preset of each
VLLM = {
    "Gemma3nForConditionalGeneration": "gemma-3n-e2b",
    "GraniteSpeechForConditionalGeneration": "granite-4.0-1b-speech",
    "MiDashengLMModel": "midashenglm-7b",
    "MiniCPMO": "minicpm-o-2_6",
    "Phi4MMForCausalLM": "phi-4-multimodal",
    "Qwen2AudioForConditionalGeneration": "qwen2-audio-7b",
    "Qwen2_5OmniThinkerForConditionalGeneration": "qwen2.5-omni-7b",
    "Qwen3OmniMoeThinkerForConditionalGeneration": "qwen3-omni-30b-a3b",
    "UltravoxModel": "ultravox-v0_5-llama-3_2-1b",
    "VoxtralForConditionalGeneration": "voxtral-mini-3b-2507",
    "WhisperForConditionalGeneration": "whisper-large-v3-turbo",
}
WHISPERS = ("tiny", "base", "small", "medium", "large", "large-v2", "large-v3", "large-v3-turbo")
PRESETS = FILES.names()
TURBO = "whisper-large-v3-turbo"
QWEN2_AUDIO = "qwen2-audio-7b"
ULTRAVOX = "ultravox-v0_5-llama-3_2-1b"


def values_of(name: str) -> dict[str, Any]:
    found = FILES.find(name)
    assert found is not None
    return found.values


@pytest.fixture(scope="session")
def counts(data_dir) -> dict[str, dict[str, int]]:
    """Parameters by component as the modules of `transformers` have them."""
    values = json.loads((data_dir / "memory" / "transformers.json").read_text())
    return {name: value for name, value in values.items() if not name.startswith("_")}


def test_every_preset_has_a_count(counts) -> None:
    assert sorted(counts) == sorted(PRESETS)
    assert {f"whisper-{size}" for size in WHISPERS} <= set(PRESETS)
    assert len(VLLM) == 11
    assert set(VLLM.values()) <= set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_are_those_of_the_modules(name, counts) -> None:
    report = plan(name)
    expected = dict(counts[name])
    assert report.parameters == pytest.approx(expected.pop("total"), rel=1e-3)
    found = {part.name: part.parameters for part in report.components}
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", PRESETS)
def test_rows_add_up(name) -> None:
    report = plan(name)
    assert report.parameters == sum(row.parameters for row in report.layers)
    assert all(row.parameters % row.count == 0 for row in report.layers)
    for type in report.types:
        assert report.bytes[type] == sum(row.bytes[type] for row in report.layers)
    assert report.bytes["f16"] == report.bytes["bf16"] == 2 * report.parameters


@pytest.mark.parametrize("name", PRESETS)
def test_missing_keys_of_published_configurations_are_named(name) -> None:
    """Whatever number is taken away, the plan either does without or says which it was."""
    values = values_of(name)
    named = 0
    for path, key in _numbers(values):
        section = values
        for part in path:
            section = section[part]
        taken = section.pop(key)
        try:
            plan(values)
        except CheckpointError as error:
            named += key in str(error)
        finally:
            section[key] = taken
    assert named > 0 or name.startswith("ultravox")


def _numbers(values, path=()):
    for key, value in list(values.items()):
        if isinstance(value, dict):
            yield from _numbers(value, (*path, key))
        elif type(value) is int:
            yield path, key


# The published figures of four models ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gib"),
    ((TURBO, 1.51), ("whisper-large-v3", 2.88), (QWEN2_AUDIO, 15.28), (ULTRAVOX, 3.43)),
)
def test_weights(name, gib) -> None:
    report = plan(name)
    assert report.bytes["bf16"] / 2**30 == pytest.approx(gib, rel=0.05)
    assert report.estimates["bf16"].group("weights") == report.bytes["bf16"]


@pytest.mark.parametrize(("cache", "mb"), (("encoder", 245), ("decoder", 9.2), ("cross", 30.7)))
def test_key_value_caches(cache, mb) -> None:
    caches = plan(TURBO).kv_caches
    assert caches is not None
    assert getattr(caches, cache) / 1e6 == pytest.approx(mb, rel=0.05)
    assert (caches.encoder_positions, caches.decoder_positions) == (1500, 448)
    assert caches.total == caches.encoder + caches.cross + caches.decoder


@pytest.mark.parametrize(
    ("name", "millions"),
    (
        ("whisper-tiny", 39),
        ("whisper-base", 74),
        ("whisper-small", 244),
        ("whisper-medium", 769),
        ("whisper-large-v3", 1550),
        (TURBO, 809),
    ),
)
def test_whisper_sizes(name, millions) -> None:
    assert plan(name).parameters / 1e6 == pytest.approx(millions, rel=0.05)


# Parts of a model -----------------------------------------------------------------------------


def test_encoder_layer() -> None:
    d, ffn = 1280, 5120
    report = plan(TURBO)
    layers = {row.name: row for row in report.layers if row.component == "encoder"}
    assert layers["self-attention"].count == 32
    assert layers["self-attention"].parameters_each == 4 * d * d + 3 * d  # keys have no bias
    assert layers["feed-forward"].parameters_each == 2 * d * ffn + ffn + d
    assert layers["norms"].parameters_each == 2 * 2 * d
    assert layers["convolution"].parameters == (3 * 128 * d + d) + (3 * d * d + d)
    assert layers["positions"].parameters == 1500 * d


def test_decoder_layer_with_cross_attention() -> None:
    d = 1280
    layers = {row.name: row for row in plan(TURBO).layers if row.component == "decoder"}
    assert {row.count for row in layers.values()} == {1, 4}
    assert layers["cross-attention"].parameters_each == 4 * d * d + 3 * d
    assert layers["self-attention"].parameters == layers["cross-attention"].parameters
    assert layers["norms"].parameters_each == 3 * 2 * d


def test_decoder_layer_with_grouped_queries() -> None:
    d, kv = 2048, 8 * 64
    layers = {row.name: row for row in plan(ULTRAVOX).layers if row.component == "decoder"}
    assert layers["self-attention"].parameters_each == 2 * d * d + 2 * d * kv
    assert layers["feed-forward"].parameters_each == 3 * d * 8192
    assert "cross-attention" not in layers


@pytest.mark.parametrize("tied", (True, False))
def test_embeddings(tied) -> None:
    values = {**values_of("llama-3.2-1b-instruct"), "tie_word_embeddings": tied}
    report = plan(values)
    assert report.kind == "decoder-only"
    table = 128256 * 2048
    assert report.component("embeddings").parameters == (1 if tied else 2) * table


def test_projectors() -> None:
    assert plan(TURBO).components[-1].name != "projector"
    linear = plan(QWEN2_AUDIO).component("projector")
    assert linear.parameters == 1280 * 4096 + 4096
    swiglu = plan(ULTRAVOX).component("projector").parameters
    assert swiglu == 8 * 1280 * 4096 + 2048 * 2048 + 8 * 1280 + 2048


@pytest.mark.parametrize(
    ("settings", "parameters"),
    (
        ({}, 64 * 32 + 32),
        ({"projector_config": {"stack_factor": 4}}, 4 * 64 * 32 + 32),
        (
            {"projector_config": {"stack_factor": 4, "projector_act": "swiglu"}},
            4 * 64 * 64 + 32 * 32 + 4 * 64 + 32,
        ),
        ({"projector_hidden_act": "gelu"}, 64 * 32 + 32 + 32 * 32 + 32),
    ),
)
def test_projector_of_an_unknown_family(settings, parameters) -> None:
    audio = {
        "d_model": 64,
        "encoder_layers": 2,
        "encoder_ffn_dim": 128,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
    }
    text = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": 100,
    }
    report = plan({"audio_config": audio, "text_config": text, **settings})
    assert report.kind == "audio-llm"
    assert report.component("projector").parameters == parameters
    stack = settings.get("projector_config", {}).get("stack_factor", 1)
    assert report.kv_caches is not None
    assert report.kv_caches.decoder_positions == 448 + math.ceil(1500 / stack)


# Caches, activations and inputs ---------------------------------------------------------------


def test_decoder_cache_of_grouped_queries() -> None:
    caches = plan(ULTRAVOX, tokens=1000).kv_caches
    assert caches is not None
    positions = 1000 + math.ceil(1500 / 8)  # the audio, eight frames to a position
    assert caches.decoder_positions == positions
    assert caches.decoder == 2 * 2 * 16 * positions * 8 * 64
    assert caches.cross == 0


def test_audio_positions_of_an_audio_llm() -> None:
    caches = plan(QWEN2_AUDIO, seconds=60).kv_caches
    assert caches is not None
    assert (caches.encoder_positions, caches.decoder_positions) == (3000, 448 + 1500)


def test_whisper_takes_windows_one_after_the_other() -> None:
    assert plan(TURBO, seconds=300).kv_caches == plan(TURBO, seconds=30).kv_caches


def test_batch() -> None:
    one, four = plan(TURBO).estimate, plan(TURBO, batch=4).estimate
    assert four.group("weights") == one.group("weights")
    for group in ("caches", "activations", "input"):
        assert four.group(group) == 4 * one.group(group) > 0


@pytest.mark.parametrize(
    ("cache_type", "value"), (("f32", 4), ("f16", 2), ("bf16", 2), ("int8", 1), ("int4", 0.5))
)
def test_cache_type(cache_type, value) -> None:
    caches = plan(TURBO, cache_type=cache_type).kv_caches
    assert caches is not None
    assert caches.decoder == 2 * value * 4 * 448 * 1280


def test_precision_of_caches_follows_the_weights() -> None:
    wide, narrow = plan(TURBO, type="f32"), plan(TURBO, type="int8")
    assert wide.estimate.group("caches") == 2 * narrow.estimate.group("caches")
    assert narrow.estimate.group("weights") == narrow.parameters


def test_tensor_parallel() -> None:
    one, four = plan(ULTRAVOX), plan(ULTRAVOX, tensor_parallel=4)
    assert four.estimate.group("weights") == math.ceil(one.estimate.group("weights") / 4)
    assert one.kv_caches is not None and four.kv_caches is not None
    assert four.kv_caches.total == one.kv_caches.total // 4
    assert four.parameters == one.parameters
    # Eight heads of keys and values on sixteen devices: each holds a whole one.
    sixteen = plan(ULTRAVOX, tensor_parallel=16).kv_caches
    assert sixteen is not None
    assert sixteen.decoder == one.kv_caches.decoder // 8


def test_tensor_parallel_that_does_not_divide() -> None:
    with pytest.raises(CheckpointError, match="8 heads of keys and values do not divide into 3"):
        plan(ULTRAVOX, tensor_parallel=3)


def test_inputs() -> None:
    items = {item.name: item.bytes for item in plan(TURBO).estimate.items}
    assert items["mel features"] == 128 * 3000 * 4
    assert items["convolution buffers"] == 2 * (1280 * 3000 + 1280 * 1500)
    half = plan("granite-4.0-1b-speech", seconds=15)
    whole = plan("granite-4.0-1b-speech", seconds=30)
    assert whole.estimate.group("input") == 2 * half.estimate.group("input")


def test_activations() -> None:
    d, ffn = 1280, 5120
    report = plan(TURBO)
    # The widest place of an encoder layer: the residual, its norm, and the feed-forward network
    assert report.estimate.group("activations") == 2 * 1500 * (2 * d + max(4 * d, ffn))
    longer = plan(ULTRAVOX, tokens=100_000)
    assert longer.estimate.items[-3].name.startswith("decoder")


def test_sliding_windows_bound_the_cache() -> None:
    caches = [plan("gemma-3n-e2b", tokens=tokens).kv_caches for tokens in (512, 100_000)]
    assert caches[0] is not None and caches[1] is not None
    growth = caches[1].decoder / caches[0].decoder
    positions = caches[1].decoder_positions / caches[0].decoder_positions
    assert 1 < growth < positions


def test_published_type_is_the_default() -> None:
    assert (plan(TURBO).type, plan(QWEN2_AUDIO).type) == ("f16", "bf16")


def test_total() -> None:
    report = plan(TURBO, batch=2, tokens=100)
    assert report.total == sum(item.bytes for item in report.estimate.items)
    assert report.kv_caches is not None
    assert report.estimate.group("caches") == report.kv_caches.total
