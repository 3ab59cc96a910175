"""SentencePiece models and label lists."""

from __future__ import annotations

import re
import struct

import pytest
from nemo_files import ARCHITECTURES, DATA, Nemo

from parrotlet._convert.archive import open_archive
from parrotlet._convert.tokenizer import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    Vocabulary,
    parse_sentencepiece,
    read_tokenizer,
)
from parrotlet.architectures.conformer.nemo_config import model_config
from parrotlet.errors import CheckpointError, UnsupportedModelError
from parrotlet.sentencepiece_settings import SentencePieceSettings


def field(number: int, value: bytes | int | float) -> bytes:
    if isinstance(value, bytes):
        assert len(value) < 128
        return bytes([number << 3 | 2, len(value)]) + value
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    return bytes([number << 3, value])


def piece(text: str, *rest: bytes) -> bytes:
    return field(1, field(1, text.encode()) + b"".join(rest))


MODEL = (
    piece("<unk>", field(2, 0.0), field(3, UNKNOWN))
    + piece("▁the", field(2, -1.5))
    + field(2, field(3, 2) + b"\xc0\x01\x01")  # trainer_spec; its field 24 is 1
    + field(3, field(2, b"map") + field(3, 0) + field(5, 0))  # normalizer_spec
    + piece("<s>", field(3, CONTROL))
    + piece("<EOU>", field(3, USER_DEFINED))
    + piece("<0x0A>", field(3, BYTE))
)


def read(path, tmp_path) -> Vocabulary:
    nemo = Nemo.read(path)
    with open_archive(path, tmp_path) as archive:
        return read_tokenizer(archive, nemo.config, model_config(nemo.config))


def test_pieces_scores_and_types():
    assert parse_sentencepiece(MODEL) == Vocabulary(
        "spm",
        ("<unk>", "▁the", "<s>", "<EOU>", "<0x0A>"),
        (0.0, -1.5, 0.0, 0.0, 0.0),
        (UNKNOWN, NORMAL, CONTROL, USER_DEFINED, BYTE),
        SentencePieceSettings("bpe", b"map", False, True, False, True),
    )


def test_settings_that_are_left_out_have_the_defaults_of_sentencepiece():
    assert parse_sentencepiece(piece("a")).settings == SentencePieceSettings("unigram")


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x0a",
        b"\x0a\x7fabc",
        b"\xff" * 12,
        field(1, 5),
        field(1, field(1, b"\xff\xff")),
        field(1, field(1, b"x") + field(3, 9)),
        field(1, field(1, b"x") + field(2, float("nan"))),
        field(1, field(1, b"x") + b"\x15\x00"),
        field(1, field(1, b"x") + b"\x11" + struct.pack("<d", 1e300)),  # a score of 64 bits
        field(1, field(1, 3)),
        b"\x0b",
        field(2, b"only a trainer_spec"),
        piece("a") + field(2, field(3, 9)),
        piece("a") + field(2, 1),
        piece("a") + field(3, 1),
        piece("a") + field(3, field(2, 1)),
    ],
)
def test_damaged_models_are_errors(damaged):
    with pytest.raises(CheckpointError, match="SentencePiece model"):
        parse_sentencepiece(damaged)


def test_every_truncation_inside_a_piece_is_an_error():
    first_piece = MODEL.index(b"\x0a", 2 + MODEL[1])
    for size in range(1, first_piece):
        with pytest.raises(CheckpointError):
            parse_sentencepiece(MODEL[:size])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_vocabulary_is_nemos_own(name, tmp_path):
    """NeMo writes the vocabulary twice more: SentencePiece's text form, and in the YAML."""
    path = DATA / name / "model.nemo"
    nemo, tokenizer = Nemo.read(path), read(path, tmp_path)
    vocab = [data for file, data in nemo.files.items() if file.endswith("tokenizer.vocab")]
    if vocab:
        lines = [line.split("\t") for line in vocab[0].decode().splitlines()]
        assert tokenizer.model == "spm"
        assert list(tokenizer.tokens) == [token for token, _ in lines]
        assert list(tokenizer.scores) == pytest.approx([float(score) for _, score in lines])
        user = [t for t, kind in zip(tokenizer.tokens, tokenizer.types, strict=True) if kind == 4]
        tags = [t for t in tokenizer.tokens if re.fullmatch("<[a-z]{2}-[A-Z]{2}>", t)]
        assert user == (["<EOU>", "<EOB>"] if "eou" in name else tags)
    else:
        assert tokenizer == Vocabulary("char", tuple(nemo.config["labels"]), (0.0,) * 28, (1,) * 28)


def edited(tmp_path, name="parakeet-ctc-0.6b", **tokenizer):
    nemo = Nemo.read(DATA / name / "model.nemo")
    nemo.config["tokenizer"].update(tokenizer)
    return nemo


def test_the_model_is_found_by_an_old_name(tmp_path):
    nemo = edited(tmp_path, model_path="/home/someone/tokenizer_spe_bpe/tokenizer.model")
    assert len(read(nemo.write(tmp_path / "m.nemo"), tmp_path).tokens) == 128


def test_a_missing_model_is_named(tmp_path):
    nemo = edited(tmp_path, model_path="nemo:abc_tokenizer.model")
    nemo.files.clear()
    with pytest.raises(CheckpointError, match=r"no abc_tokenizer\.model in the archive"):
        read(nemo.write(tmp_path / "m.nemo"), tmp_path)


@pytest.mark.parametrize(
    "settings", [{"type": "wpe"}, {"type": "agg"}, {"custom_tokenizer": {"_target_": "x"}}]
)
def test_other_tokenizers_are_not_supported(tmp_path, settings):
    nemo = edited(tmp_path, **settings)
    with pytest.raises(UnsupportedModelError, match=r"tokenizer\.type"):
        read(nemo.write(tmp_path / "m.nemo"), tmp_path)


def test_a_head_of_another_size_is_named(tmp_path):
    nemo = edited(tmp_path)
    nemo.config["decoder"]["num_classes"] = 127
    with pytest.raises(CheckpointError, match=r"decoder\.num_classes is 127.*128 tokens"):
        read(nemo.write(tmp_path / "m.nemo"), tmp_path)


def test_labels_must_be_texts(tmp_path):
    nemo = Nemo.read(DATA / "conformer-ctc-char" / "model.nemo")
    nemo.config["decoder"]["vocabulary"] = ["a", 1, None]
    with pytest.raises(CheckpointError, match=r"decoder\.vocabulary must be a list of texts"):
        read(nemo.write(tmp_path / "m.nemo"), tmp_path)
