"""Encoding against the SentencePiece library with the checkpoint's own model."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from sentencepiece_models import (
    SENTENCES,
    SUBWORD_ARCHITECTURES,
    checkpoint_model,
    trained_model,
)

from parrotlet import ModelFileError
from parrotlet._convert.tokenizer import Vocabulary as Parsed
from parrotlet._convert.tokenizer import parse_sentencepiece
from parrotlet._convert.tokenizer_json import parse_tokenizer
from parrotlet.decoding.tokenizer import (
    CharTokenizer,
    PlainTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
)
from parrotlet.decoding.vocabulary import tokenizer_from_metadata

BLOCKS = (
    *((0x00, 0x20), (0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x5D0, 0x700)),
    *((0x900, 0x980), (0x1100, 0x1200), (0x2000, 0x2070), (0x2580, 0x2583), (0x3000, 0x3100)),
    *((0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFF00, 0xFFF0), (0x1F300, 0x1F700)),
)
PARTS = (" ", "  ", "\t", "\u3000", "▁", "the ", "fox", "<unk>", "<s>", "<EOU>", "<0x41>", "ﬁ", "é")


def lines(count: int) -> list[str]:
    """Text of many scripts, with odd spaces, markers, and characters that decompose."""
    source = random.Random(1)
    texts = [*SENTENCES, "", " ", "  a  b  ", "\n", "a\0b"]
    while len(texts) < count:
        text = ""
        for _ in range(source.randrange(10)):
            low, high = source.choice(BLOCKS)
            text += "".join(chr(source.randrange(low, high)) for _ in range(source.randrange(5)))
            text += source.choice(PARTS)
        texts.append(text)
    return texts


def metadata(parsed: Parsed) -> dict[str, Any]:
    assert parsed.settings is not None
    return {
        "tokenizer.ggml.model": parsed.model,
        "tokenizer.ggml.tokens": list(parsed.tokens),
        "tokenizer.ggml.scores": list(parsed.scores),
        "tokenizer.ggml.token_type": list(parsed.types),
        **{key: value for key, _, value in parsed.settings.entries()},
    }


def tokenizer_of(model: bytes) -> Tokenizer:
    return tokenizer_from_metadata(metadata(parse_sentencepiece(model)), "m.gguf")


def assert_same(model: bytes, count: int) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_proto=model)
    tokenizer, texts = tokenizer_of(model), lines(count)
    assert tokenizer.encode_all(texts) == reference.encode(texts)
    assert tokenizer.encode(texts[0]) == reference.encode(texts[0])
    assert tokenizer.unknown == reference.unk_id()


@pytest.mark.parametrize("architecture", SUBWORD_ARCHITECTURES)
def test_checkpoints_encode_as_sentencepiece_does(architecture: str) -> None:
    assert_same(checkpoint_model(architecture), 500)


@pytest.mark.parametrize(
    "options",
    [
        {"model_type": "unigram"},
        {"model_type": "word"},
        {"model_type": "char"},
        {"byte_fallback": True, "vocab_size": 320},
        {"model_type": "unigram", "byte_fallback": True, "vocab_size": 320},
        {"user_defined_symbols": ["<EOU>", "▁▁", "a▁b", "fox"], "control_symbols": ["<c>"]},
        {"add_dummy_prefix": False},
        {"remove_extra_whitespaces": False},
        {"treat_whitespace_as_suffix": True},
        {"normalization_rule_name": "identity"},
        {"normalization_rule_name": "nmt_nfkc_cf"},
        {"unk_id": 3, "bos_id": 0, "eos_id": 1, "pad_id": 2, "unk_piece": "[U]"},
        {"unk_id": 0, "bos_id": -1, "eos_id": -1},
        {"model_type": "unigram", "split_by_whitespace": False, "split_digits": True},
    ],
    ids=str,
)
def test_every_kind_of_model(options: dict[str, Any]) -> None:
    assert_same(trained_model(**{"model_type": "bpe", "vocab_size": 50, **options}), 300)


def test_the_demo_model_encodes_nemos_phrases(demo_tokenizer: Tokenizer) -> None:
    content = json.loads((Path(__file__).parent / "data" / "demo.json").read_text("utf-8"))
    for phrase, tokens in content["phrases"] + content["other"]:
        assert demo_tokenizer.encode(phrase) == tokens


def tokenizer_json(**changes: Any) -> dict[str, Any]:
    merges = [["▁", "a"], ["b", "c"], ["▁a", "bc"]]
    pieces = ["<unk>", "▁", "a", "b", "c", "▁a", "bc", "▁abc"]
    return {
        "model": {
            "type": "BPE",
            "vocab": {piece: i for i, piece in enumerate(pieces)},
            "merges": merges,
            "unk_token": "<unk>",
        },
        "normalizer": {"type": "Replace"},
        "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "always"},
        "decoder": {"type": "Metaspace"},
        **changes,
    }


def test_models_of_transformers_encode_too() -> None:
    def encode(text: str, **changes: Any) -> list[int]:
        parsed = parse_tokenizer(tokenizer_json(**changes), 8)
        return tokenizer_from_metadata(metadata(parsed), "m.gguf").encode(text)

    assert encode("abc  bca") == [7, 1, 6, 2]
    assert encode("abc x", pre_tokenizer={"type": "Metaspace", "prepend_scheme": "never"}) == [
        *(2, 6, 1, 0),
    ]
    assert parse_tokenizer(tokenizer_json(normalizer={"type": "Lowercase"}), 8).settings is None


def test_labels() -> None:
    tokenizer = CharTokenizer([" ", "a", "b", "ab", "é"])
    assert tokenizer.encode("ab aé") == [3, 0, 1, 4]
    assert tokenizer.encode("") == []
    assert PlainTokenizer(["a", "b"]).encode("ba") == [1, 0]
    assert tokenizer.unknown is None
    with pytest.raises(ValueError, match="no label for 'c'"):
        tokenizer.encode("abc")


def test_an_older_file_says_to_convert_again() -> None:
    tokenizer = SentencePieceTokenizer(["<unk>", "▁a"], [2, 1], path="m.gguf")
    with pytest.raises(
        ModelFileError, match=r"^m\.gguf: does not say how .* convert the checkpoint"
    ):
        tokenizer.encode("a")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("algorithm", "wpe"),
        ("algorithm", 2),
        ("precompiled_charsmap", "text"),
        ("precompiled_charsmap", b"\x00\x01"),
        ("add_space_prefix", "yes"),
        ("scores", [0.0]),
        ("scores", None),
        ("scores", [0.0, float("nan"), 0.0]),
        ("scores", [0.0, -1e39, 0.0]),
        ("scores", [0.0, 10**400, 0.0]),
        ("scores", [0.0, "1", 0.0]),
        ("tokens", ["<unk>", "a", "a"]),
        ("tokens", ["<unk>", "", "a"]),
        ("token_type", [1, 1, 1]),
    ],
)
def test_metadata_that_makes_no_sense(key: str, value: object) -> None:
    good = metadata(Parsed("spm", ("<unk>", "▁a", "b"), (0.0, -1.0, -2.0), (2, 1, 1), parse_good()))
    assert tokenizer_from_metadata(good, "m.gguf").encode("ab") == [1, 2]
    with pytest.raises(ModelFileError, match=r"^m\.gguf: "):
        tokenizer_from_metadata({**good, f"tokenizer.ggml.{key}": value}, "m.gguf").encode("ab")


def test_a_damaged_normalisation_is_an_error_or_harmless() -> None:
    good = metadata(parse_sentencepiece(checkpoint_model(SUBWORD_ARCHITECTURES[0])))
    source, text = random.Random(2), " ".join(lines(50))
    for _ in range(40):
        charsmap = bytearray(good["tokenizer.ggml.precompiled_charsmap"])
        for _ in range(source.choice((1, 5, 300))):
            charsmap[source.randrange(len(charsmap))] = source.randrange(256)
        damaged = {**good, "tokenizer.ggml.precompiled_charsmap": bytes(charsmap)}
        with contextlib.suppress(ModelFileError):
            assert tokenizer_from_metadata(damaged, "m.gguf").encode(text)


def parse_good() -> Any:
    return parse_sentencepiece(trained_model(model_type="bpe", vocab_size=50)).settings
