"""The keys of the GGUF file, as docs/format.md lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gguf import GGUFValueType, GGUFWriter

from .. import _core
from .config import Encoder, Features, ModelConfig, Transducer
from .lmu_config import LmuConfig
from .tokenizer import Tokenizer

ARCHITECTURE = "conformer"
FORMAT_VERSION = 1
LMU = "lmu"
LMU_FORMAT_VERSION = 1
QUANTIZATION_VERSION = 2  # GGML's, of the block formats

# GGML's number for a file most of whose matrices are of a type
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7, "q4_k": 14, "q5_k": 16, "q6_k": 18}

# "u32", "f32", "i32[]": how a value is stored
Entry = tuple[str, str, Any]

_KINDS = {
    "u8": GGUFValueType.UINT8,
    "i8": GGUFValueType.INT8,
    "u16": GGUFValueType.UINT16,
    "i16": GGUFValueType.INT16,
    "u32": GGUFValueType.UINT32,
    "i32": GGUFValueType.INT32,
    "u64": GGUFValueType.UINT64,
    "i64": GGUFValueType.INT64,
    "f32": GGUFValueType.FLOAT32,
    "f64": GGUFValueType.FLOAT64,
    "bool": GGUFValueType.BOOL,
    "str": GGUFValueType.STRING,
}

_NOT_COPIED = {"general.architecture", "general.alignment"}


def conformer_metadata(
    config: ModelConfig, tokenizer: Tokenizer, name: str, type: str
) -> list[Entry]:
    """Every key of a Conformer file except `general.architecture`, which the writer sets."""
    keys = conformer_keys(config, len(tokenizer.tokens))
    return [*_general(name, type), *keys, *_tokenizer(tokenizer)]


def conformer_keys(config: ModelConfig, vocab: int) -> list[Entry]:
    """The keys of a Conformer model of `vocab` tokens, blank not counted."""
    keys: list[Entry] = [
        ("format_version", "u32", FORMAT_VERSION),
        ("nemo_class", "str", config.nemo_class),
        *_features(config.features),
        *_encoder(config.encoder),
        ("heads", "str[]", config.heads),
        ("vocab_size", "u32", vocab),
    ]
    if config.transducer is not None:
        keys += _transducer(config.transducer)
    return _prefixed(ARCHITECTURE, keys)


def lmu_metadata(config: LmuConfig, name: str, type: str) -> list[Entry]:
    """Every key of an LMU file except `general.architecture`, which the writer sets."""
    return [*_general(name, type), *lmu_keys(config), *_tokenizer(config.tokenizer)]


def lmu_keys(config: LmuConfig) -> list[Entry]:
    """The keys of an LMU model."""
    keys: list[Entry] = [
        ("format_version", "u32", LMU_FORMAT_VERSION),
        *_features(config.features),
        ("block_count", "u32", config.layers),
        ("embedding_length", "u32", config.hidden),
        ("memory_length", "u32", config.memory),
        ("layer", "str", config.layer),
        ("attention.head_count", "u32", config.heads),
        ("heads", "str[]", ["ctc"]),
        ("vocab_size", "u32", len(config.tokenizer.tokens)),
    ]
    if config.theta is not None:
        keys.append(("theta", "f32", config.theta))
    return _prefixed(LMU, keys)


def _general(name: str, type: str) -> list[Entry]:
    return [
        ("general.name", "str", name),
        ("general.quantization_version", "u32", QUANTIZATION_VERSION),
        ("general.file_type", "u32", FILE_TYPES[type]),
    ]


def _prefixed(architecture: str, keys: list[Entry]) -> list[Entry]:
    return [(f"{architecture}.{key}", kind, value) for key, kind, value in keys]


def _features(features: Features) -> list[Entry]:
    return [
        ("features.sample_rate", "u32", features.sample_rate),
        ("features.n_fft", "u32", features.n_fft),
        ("features.window_length", "u32", features.window_length),
        ("features.hop_length", "u32", features.hop_length),
        ("features.mel_bands", "u32", features.mel_bands),
        ("features.preemphasis", "f32", features.preemphasis),
        ("features.log_zero_guard", "f32", features.log_zero_guard),
        ("features.mag_power", "f32", features.mag_power),
        ("features.normalize", "str", features.normalize),
    ]


def _encoder(encoder: Encoder) -> list[Entry]:
    contexts = [frames for pair in encoder.attention_contexts for frames in pair]
    norm = "layer_norm" if encoder.conv_norm == "layer_norm" else "folded"
    return [
        ("block_count", "u32", encoder.layers),
        ("embedding_length", "u32", encoder.d_model),
        ("feed_forward_length", "u32", encoder.d_ff),
        ("attention.head_count", "u32", encoder.heads),
        ("attention.style", "str", encoder.attention_style),
        ("attention.contexts", "i32[]", contexts),
        ("xscaling", "bool", encoder.xscaling),
        ("conv.kernel_size", "u32", encoder.conv_kernel),
        ("conv.context", "i32[]", encoder.conv_context),
        ("conv.norm", "str", norm),
        ("subsampling.type", "str", encoder.subsampling.kind),
        ("subsampling.factor", "u32", encoder.subsampling.factor),
        ("subsampling.channels", "u32", encoder.subsampling.channels),
        ("subsampling.causal", "bool", encoder.subsampling.causal),
    ]


def _transducer(transducer: Transducer) -> list[Entry]:
    entries: list[Entry] = [
        ("predictor.hidden", "u32", transducer.predictor_hidden),
        ("predictor.layers", "u32", transducer.predictor_layers),
        ("joint.hidden", "u32", transducer.joint_hidden),
        ("joint.activation", "str", transducer.activation),
        ("transducer.max_symbols", "u32", transducer.max_symbols),
    ]
    if transducer.durations:
        entries.append(("tdt.durations", "i32[]", transducer.durations))
    return entries


def _tokenizer(tokenizer: Tokenizer) -> list[Entry]:
    return [
        ("tokenizer.ggml.model", "str", tokenizer.model),
        ("tokenizer.ggml.tokens", "str[]", tokenizer.tokens),
        ("tokenizer.ggml.scores", "f32[]", tokenizer.scores),
        ("tokenizer.ggml.token_type", "i32[]", tokenizer.types),
    ]


def copied_metadata(file: _core.GgufFile, type: str) -> list[Entry]:
    """Every key of a file for a copy of it whose matrices are of `type`, text as bytes.

    Without `general.architecture`, which the writer sets, and without the alignment, which is the
    writer's own. Raises ValueError for what GGUF allows and no model file has: nested arrays.
    """
    changed: dict[str, Entry] = {
        key: (key, "u32", value)
        for key, value in (
            ("general.quantization_version", QUANTIZATION_VERSION),
            ("general.file_type", FILE_TYPES[type]),
        )
    }
    entries: list[Entry] = []
    for key, kind, value in file.entries:
        # A writer cannot write an empty array.
        if key in _NOT_COPIED or (kind.endswith("[]") and not value):
            continue
        if kind == "array[]":
            raise ValueError(f"the metadata key {key} is an array of arrays")
        entries.append(changed.pop(key, (key, kind, value)))
    return [*entries, *changed.values()]


def add_to(writer: GGUFWriter, entries: Sequence[Entry]) -> None:
    """Give every entry to a writer as the type it states."""
    for key, kind, value in entries:
        if not kind.endswith("[]"):
            writer.add_key_value(key, value, _KINDS[kind])
        elif len(value):
            element = _KINDS[kind.removesuffix("[]")]
            writer.add_key_value(key, list(value), GGUFValueType.ARRAY, sub_type=element)
