"""Settings in metadata: written, read again, and what is said of those that make no sense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parrotlet import ModelFileError, UnsupportedModelError
from parrotlet.architectures import Sizes, family_with, sizes_of
from parrotlet.architectures.buffering import ChunkContexts, ContextSize
from parrotlet.architectures.conformer.reduction import Reduction
from parrotlet.architectures.conformer.sizes import CHUNKED, UNIFIED, Conformer, Encoder
from parrotlet.architectures.conformer.subsampling import Subsampling
from parrotlet.architectures.conformer.transducer import LstmPredictor, Transducer
from parrotlet.architectures.features import Features
from parrotlet.architectures.lmu.sizes import Lmu
from parrotlet.architectures.prompt import Prompt
from parrotlet.model_config import ModelConfig


def metadata_of(sizes: Sizes, tokenizer: str) -> dict[str, Any]:
    """What the file of a model with two tokens says."""
    entries = family_with(sizes).entries(sizes)
    return {
        "general.architecture": sizes.architecture,
        "general.name": "tiny",
        **{
            f"{sizes.architecture}.{key}": list(value) if kind.endswith("[]") else value
            for key, kind, value in entries
        },
        "tokenizer.ggml.model": tokenizer,
        "tokenizer.ggml.tokens": [" ", "a"],
    }


FEATURES = Features(16_000, 512, 400, 160, 80, 0.97, 2.0**-24, 2.0, "none")
TRANSDUCER = Transducer(
    predictor=LstmPredictor(hidden=32, layers=1),
    joint_hidden=48,
    activation="relu",
    output_layer=2,
    durations=(0, 1, 2),
    max_symbols=10,
)
CONFORMER = Conformer(
    nemo_class="EncDecHybridRNNTCTCBPEModel",
    features=FEATURES,
    encoder=Encoder(
        layers=2,
        d_model=64,
        d_ff=256,
        heads=4,
        use_bias=False,
        xscaling=False,
        attention_style=CHUNKED,
        attention_contexts=((70, 13), (70, 0)),
        conv_kernel=9,
        conv_context=(8, 0),
        conv_norm="layer_norm",
        subsampling=Subsampling("dw_striding", 8, 32, causal=True),
    ),
    transducer=TRANSDUCER,
    ctc_module="ctc_decoder",
    vocab=2,
)
RECURRENT = Lmu(
    features=FEATURES,
    layers=2,
    d_model=64,
    memory=32,
    layer="cell",
    attention_heads=0,
    biases=frozenset(),
    vocab=2,
)

PROMPT = Prompt(8, 128, ("en-US", "en", "auto"), (0, 0, 7), "auto")
PROMPTED = replace(CONFORMER, prompt=PROMPT)

METADATA = metadata_of(CONFORMER, "char")
LMU = metadata_of(RECURRENT, "plain")
# Older files lack them.
OPTIONAL = (
    "conformer.format_version",
    "lmu.format_version",
    "conformer.predictor.type",
    "conformer.joint.type",
)


def keys_of(metadata: dict[str, Any], architecture: str) -> list[str]:
    return [key for key in metadata if key.startswith(architecture) and key not in OPTIONAL]


BATCH_NORM = replace(CONFORMER.encoder, use_bias=True, conv_norm="batch_norm")


@pytest.mark.parametrize(
    ("sizes", "tensors"),
    [
        (CONFORMER, ()),
        (
            replace(CONFORMER, transducer=None, encoder=BATCH_NORM),
            ("encoder.layers.0.self_attn.linear_q.bias",),
        ),
        (replace(CONFORMER, ctc_module=None), ()),
        (replace(CONFORMER, transducer=replace(TRANSDUCER, durations=())), ()),
        (
            replace(
                CONFORMER,
                encoder=replace(
                    CONFORMER.encoder,
                    attention_style=UNIFIED,
                    attention_contexts=((-1, -1),),
                    chunk_contexts=ChunkContexts((70,), (1, 7), (0, 7)),
                    reduction=Reduction("pooling", 3, 0),
                ),
            ),
            (),
        ),
        (PROMPTED, ()),
        (replace(PROMPTED, prompt=replace(PROMPT, default=None)), ()),
        (RECURRENT, ()),
        (
            replace(RECURRENT, layer="fft", attention_heads=4, theta=100.0, biases={"W_u"}),
            ("encoder.lmu_layers.0.W_u.bias",),
        ),
    ],
    ids=[
        "hybrid",
        "ctc",
        "tdt",
        "rnnt",
        "unified",
        "prompted",
        "no-default",
        "lmu",
        "lmu-attention",
    ],
)
def test_what_is_written_is_what_is_read(sizes: Sizes, tensors: tuple[str, ...]) -> None:
    assert sizes_of(metadata_of(sizes, "char"), "m.gguf", tensors) == sizes


def test_another_architecture() -> None:
    with pytest.raises(UnsupportedModelError, match=r"^m\.gguf: .*'whisper'; supported are"):
        sizes_of({"general.architecture": "whisper"}, "m.gguf")


def test_the_version_is_the_first_that_has_all_of_the_model() -> None:
    assert METADATA["conformer.format_version"] == 1
    assert metadata_of(PROMPTED, "char")["conformer.format_version"] == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("count", 0, r"is 0; expected 1 to 1024 prompts"),
        ("count", 7, r"indices is \(0, 0, 7\); expected a prompt from 0 to 6 for each"),
        ("hidden", 0, r"is 0; expected 1 to 65536 values"),
        ("languages", [], r"expected distinct names"),
        ("languages", ["en", "en", "auto"], r"expected distinct names"),
        ("languages", ["en", "", "auto"], r"expected distinct names"),
        ("languages", ["auto"], r"indices is .*expected a prompt"),
        ("indices", [0, 0], r"indices is .*expected a prompt"),
        ("indices", [-1, 0, 7], r"indices is .*expected a prompt"),
        ("default", "fr-FR", r"is 'fr-FR'; expected one of the languages"),
        ("languages", None, r"languages is missing"),
        ("indices", None, r"indices is missing"),
        ("hidden", None, r"hidden is missing"),
    ],
)
def test_prompts_that_make_no_sense(key: str, value: object, message: str) -> None:
    metadata = metadata_of(PROMPTED, "char") | {f"conformer.prompt.{key}": value}
    with pytest.raises(ModelFileError, match=message):
        ModelConfig.from_metadata(metadata, Path("m.gguf"))


def test_read() -> None:
    config = ModelConfig.from_metadata(METADATA, Path("m.gguf"))
    assert config.contexts == ((70, 13), (70, 0))
    assert config.heads == ("tdt", "ctc")
    assert config.durations == (0, 1, 2)
    assert config.frame_seconds == pytest.approx(0.08)


def test_ctc_needs_no_transducer_keys() -> None:
    metadata = {k: v for k, v in METADATA.items() if "tdt." not in k and "transducer" not in k}
    config = ModelConfig.from_metadata({**metadata, "conformer.heads": ["ctc"]}, Path("m.gguf"))
    assert config.durations == ()


def test_an_lmu_model_looks_at_nothing_ahead_or_at_everything() -> None:
    recurrent = ModelConfig.from_metadata(LMU, Path("m.gguf"))
    assert (recurrent.recurrent, recurrent.contexts) == (True, ((-1, 0),))
    assert recurrent.frame_seconds == pytest.approx(0.01)
    attending = ModelConfig.from_metadata({**LMU, "lmu.attention.head_count": 4}, Path("m.gguf"))
    assert (attending.recurrent, attending.contexts) == (False, ((-1, -1),))
    assert "use_attention: false" in attending.streaming_obstacle


@pytest.mark.parametrize("key", keys_of(LMU, "lmu"))
def test_every_key_of_an_lmu_model_is_needed(key: str) -> None:
    metadata = {k: v for k, v in LMU.items() if k != key}
    with pytest.raises(ModelFileError, match=rf"^m\.gguf: {key} is missing"):
        ModelConfig.from_metadata(metadata, Path("m.gguf"))


def test_a_model_without_a_name_is_named_after_its_file() -> None:
    metadata = {k: v for k, v in METADATA.items() if k != "general.name"}
    assert ModelConfig.from_metadata(metadata, Path("dir/some.gguf")).name == "some"


@pytest.mark.parametrize("contexts", [[70, -2], [10_001, 13], [70, 2**31 - 1]])
def test_contexts_that_would_take_gigabytes(contexts: list[int]) -> None:
    metadata = {**METADATA, "conformer.attention.contexts": contexts}
    with pytest.raises(ModelFileError, match=r"contexts is .*expected -1 to 10000"):
        ModelConfig.from_metadata(metadata, Path("m.gguf"))


@pytest.mark.parametrize("key", keys_of(METADATA, "conformer"))
def test_every_key_is_needed(key: str) -> None:
    metadata = {k: v for k, v in METADATA.items() if k != key}
    with pytest.raises(ModelFileError, match=rf"^m\.gguf: {key} is missing"):
        ModelConfig.from_metadata(metadata, Path("m.gguf"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("conformer.heads", []),
        ("conformer.heads", ["tdt", "tdt"]),
        ("conformer.heads", ["aed"]),
        ("conformer.attention.contexts", []),
        ("conformer.attention.contexts", [70]),
        ("conformer.attention.contexts", ["70", "13"]),
        ("conformer.tdt.durations", []),
        ("conformer.tdt.durations", [-1, 0]),
        ("conformer.vocab_size", 3),
        ("conformer.features.hop_length", 0),
        ("conformer.features.hop_length", "160"),
        ("conformer.subsampling.factor", -8),
        ("conformer.attention.style", "chunked"),
        ("conformer.reduction.type", "averaging"),
    ],
)
def test_values_that_make_no_sense(key: str, value: object) -> None:
    with pytest.raises(ModelFileError, match=rf"^m\.gguf: {key} "):
        ModelConfig.from_metadata({**METADATA, key: value}, Path("m.gguf"))


UNIFIED_KEYS = {
    "conformer.attention.style": "chunked_limited_with_rc",
    "conformer.attention.contexts": [-1, -1],
    "conformer.attention.chunk_contexts.left": [70],
    "conformer.attention.chunk_contexts.chunk": [1, 7],
    "conformer.attention.chunk_contexts.right": [0, 7],
}
REDUCTION_KEYS = {
    "conformer.reduction.type": "striding",
    "conformer.reduction.factor": 2,
    "conformer.reduction.position": 1,
}


def test_contexts_of_buffered_streaming() -> None:
    config = ModelConfig.from_metadata({**METADATA, **UNIFIED_KEYS}, Path("m.gguf"))
    assert config.chunk_contexts == ChunkContexts((70,), (1, 7), (0, 7))
    assert config.window(None, None, None) == (70, 7, 7)
    assert config.within(ContextSize(70, 7, 7)) == (70, 7, 7)
    assert config.within(ContextSize(70, 1, 0)) == (70, 0, 1)


@pytest.mark.parametrize(
    ("keys", "key", "value"),
    [
        (UNIFIED_KEYS, "conformer.attention.chunk_contexts.left", []),
        (UNIFIED_KEYS, "conformer.attention.chunk_contexts.left", None),
        (UNIFIED_KEYS, "conformer.attention.chunk_contexts.chunk", [0]),
        (UNIFIED_KEYS, "conformer.attention.chunk_contexts.right", [7, -1]),
        (REDUCTION_KEYS, "conformer.reduction.factor", 0),
        (REDUCTION_KEYS, "conformer.reduction.factor", 6),
        (REDUCTION_KEYS, "conformer.reduction.factor", None),
        (REDUCTION_KEYS, "conformer.reduction.position", 2),
        (REDUCTION_KEYS, "conformer.reduction.position", -1),
        (REDUCTION_KEYS, "conformer.reduction.position", None),
    ],
)
def test_parts_that_make_no_sense(keys: dict[str, Any], key: str, value: object) -> None:
    metadata = {**METADATA, **keys, key: value}
    if value is None:
        del metadata[key]
    with pytest.raises(ModelFileError, match=rf"^m\.gguf: {key} "):
        ModelConfig.from_metadata(metadata, Path("m.gguf"))
