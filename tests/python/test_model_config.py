"""Settings read from metadata, and what is said of metadata that makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parrotlet import ModelFileError
from parrotlet.model_config import ModelConfig

METADATA: dict[str, Any] = {
    "general.architecture": "conformer",
    "general.name": "tiny",
    "conformer.features.sample_rate": 16_000,
    "conformer.features.hop_length": 160,
    "conformer.features.mel_bands": 80,
    "conformer.embedding_length": 64,
    "conformer.subsampling.factor": 8,
    "conformer.heads": ["tdt", "ctc"],
    "conformer.attention.style": "chunked_limited",
    "conformer.attention.contexts": [70, 13, 70, 0],
    "conformer.tdt.durations": [0, 1, 2],
    "conformer.transducer.max_symbols": 10,
    "conformer.vocab_size": 2,
    "tokenizer.ggml.model": "char",
    "tokenizer.ggml.tokens": [" ", "a"],
}

LMU: dict[str, Any] = {
    "general.architecture": "lmu",
    "lmu.features.sample_rate": 16_000,
    "lmu.features.hop_length": 160,
    "lmu.features.mel_bands": 80,
    "lmu.embedding_length": 64,
    "lmu.attention.head_count": 0,
    "lmu.heads": ["ctc"],
    "lmu.vocab_size": 2,
    "tokenizer.ggml.model": "plain",
    "tokenizer.ggml.tokens": [" ", "a"],
}


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


@pytest.mark.parametrize("key", [key for key in LMU if key.startswith("lmu")])
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


@pytest.mark.parametrize("key", [key for key in METADATA if key.startswith("conformer")])
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
    ],
)
def test_values_that_make_no_sense(key: str, value: object) -> None:
    with pytest.raises(ModelFileError, match=rf"^m\.gguf: {key} "):
        ModelConfig.from_metadata({**METADATA, key: value}, Path("m.gguf"))
