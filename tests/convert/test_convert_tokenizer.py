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
    parse_wordpiece,
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
    settings = nemo.config.get("tokenizer", {})
    if settings.get("type") in ("bpe", "agg"):
        parts = settings.get("langs", {"": settings}).values()
        files = [part["spe_tokenizer_vocab"].removeprefix("nemo:") for part in parts]
        vocab = b"".join(nemo.files[file] for file in files)
        lines = [line.split("\t") for line in vocab.decode().splitlines()]
        assert tokenizer.model == ("agg" if "langs" in settings else "spm")
        assert [language for language, _ in tokenizer.languages] == list(settings.get("langs", ()))
        assert list(tokenizer.tokens) == [token for token, _ in lines]
        scores = [float(score) for _, score in lines]  # to six digits
        assert list(tokenizer.scores) == pytest.approx(scores, rel=1e-5)
        user = [t for t, kind in zip(tokenizer.tokens, tokenizer.types, strict=True) if kind == 4]
        tags = [t for t in tokenizer.tokens if re.fullmatch("<[a-z]{2}-[A-Z]{2}>", t)]
        assert user == (["<EOU>", "<EOB>"] if "eou" in name else tags)
    elif settings.get("type") == "wpe":
        assert tokenizer.model == "wpm"
        assert sorted(tokenizer.tokens) == sorted(nemo.config["decoder"]["vocabulary"])
        assert tokenizer.types[:6] == (CONTROL, UNKNOWN, CONTROL, CONTROL, CONTROL, NORMAL)
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
    ("settings", "named"),
    [
        ({"type": "sp"}, r"tokenizer\.type is 'sp'"),
        ({"custom_tokenizer": {"_target_": "x"}}, r"tokenizer\.custom_tokenizer"),
        ({"type": "agg", "langs": {"en": {"type": "wpe"}}}, r"tokenizer\.langs\.en\.type is 'wpe'"),
    ],
)
def test_other_tokenizers_are_not_supported(tmp_path, settings, named):
    nemo = edited(tmp_path, **settings)
    with pytest.raises(UnsupportedModelError, match=named):
        read(nemo.write(tmp_path / "m.nemo"), tmp_path)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"type": "agg"}, r"no key 'tokenizer\.langs'"),
        ({"type": "agg", "langs": {}}, r"tokenizer\.langs lists no language"),
        ({"type": "agg", "langs": {"en": {"type": "bpe", "model_path": "x"}}}, "no x in"),
        ({"type": "wpe", "vocab_path": "nemo:x_vocab.txt"}, r"no x_vocab\.txt in the archive"),
    ],
)
def test_what_a_tokenizer_lacks_is_named(tmp_path, settings, named):
    nemo = edited(tmp_path, **settings)
    nemo.files = {n: data for n, data in nemo.files.items() if "model_" in n}
    with pytest.raises(CheckpointError, match=named):
        read(nemo.write(tmp_path / "m.nemo"), tmp_path)


def test_languages_keep_their_order_and_settings(tmp_path):
    found = read(DATA / "stt_enes_conformer_ctc_large" / "model.nemo", tmp_path)
    (first, english), (second, spanish) = found.languages
    assert (first, second) == ("en", "es")
    assert found.tokens == english.tokens + spanish.tokens
    assert english.settings.charsmap
    assert not spanish.settings.charsmap


@pytest.mark.parametrize("ends", ["\n", "\r\n", ""])
def test_wordpieces_are_lines(ends):
    text = (ends or "\n").join(["[UNK]", "a", "##\u2028", "##b"]) + ends
    found = parse_wordpiece(text.encode())
    assert found == Vocabulary(
        "wpm", ("[UNK]", "a", "##\u2028", "##b"), (0.0,) * 4, (UNKNOWN, NORMAL, NORMAL, NORMAL)
    )


@pytest.mark.parametrize("data", [b"", b"a\n\nb", b"a\nb\na", b"\xff", b"a\0"])
def test_damaged_wordpieces_are_errors(data):
    with pytest.raises(CheckpointError, match="WordPiece vocabulary"):
        parse_wordpiece(data)


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
