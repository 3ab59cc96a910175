"""`parrotlet inspect` and `parrotlet memory` know language models and phrases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gguf_files import rewrite

from parrotlet.cli import main
from parrotlet.decoding.language_model import read_arpa, read_outline
from parrotlet.model_files import demo_path

DATA = Path(__file__).parent.parent / "decoding" / "data"
LANGUAGE_MODELS = {DATA / "demo.arpa": 256, DATA / "english.arpa.gz": 128}


@pytest.mark.parametrize("path", LANGUAGE_MODELS, ids=lambda path: path.name)
def test_what_a_header_promises(path) -> None:
    outline = read_outline(path)
    assert read_arpa(path, LANGUAGE_MODELS[path]).n_bytes == pytest.approx(outline.n_bytes, rel=0.1)


def test_inspect_language_model(capsys) -> None:
    path = str(DATA / "english.arpa.gz")
    assert main(["inspect", path]) == 0
    text = capsys.readouterr().out
    assert "n-gram language model of order 3" in text
    assert "1,451" in text
    assert main(["inspect", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == [128, 1451, 543]


def test_a_language_model_without_counts(capsys, tmp_path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text("\\data\\\n")
    assert main(["inspect", str(path)]) == 1
    assert "lm.arpa: counts no n-grams" in capsys.readouterr().err


def test_inspect_says_whether_text_becomes_tokens(converted, capsys, tmp_path) -> None:
    old = tmp_path / "old.gguf"
    rewrite(demo_path(), old, {"tokenizer.ggml.algorithm": None})
    for model, answer in (
        ("demo", "yes, SentencePiece (bpe)"),
        (converted("conformer-ctc-char", "f32"), "yes, labels (char)"),
        (old, "no, the file does not say how; convert the checkpoint again"),
    ):
        assert main(["inspect", str(model)]) == 0
        assert f"text to tokens: {answer}\n" in capsys.readouterr().out
        assert main(["inspect", str(model), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["text_to_tokens"] == answer


def test_memory_counts_them(capsys) -> None:
    command = ["memory", "demo", "--seconds", "10", "--threads", "1", "--json"]
    lm = str(DATA / "demo.arpa")
    assert main(command) == 0
    plain = json.loads(capsys.readouterr().out)["estimates"]["file"]["items"]
    assert main([*command, "--lm", lm, "--phrases", "october, NASA"]) == 0
    shown = capsys.readouterr()
    items = json.loads(shown.out)["estimates"]["file"]["items"]
    assert [i["name"] for i in items if i["group"] == "scorers"] == [
        "language model",
        "encoder of text",
        "phrases",
    ]
    assert len(items) == len(plain) + 3
    assert "cannot write" not in shown.err  # in lower case it can


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["parakeet-tdt-0.6b-v2", "--phrases", "a"], 2, "phrases become tokens by a GGUF file"),
        (["whisper-tiny", "--lm", "lm.arpa"], 2, "language_model is a setting of models that run"),
        (["demo", "--lm", "none.arpa"], 1, "none.arpa: cannot be read"),
    ],
)
def test_memory_refuses(arguments, status, message, capsys) -> None:
    assert main(["memory", "--threads", "1", *arguments]) == status
    assert message in capsys.readouterr().err
