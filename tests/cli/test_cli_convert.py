"""`parrotlet convert` and `parrotlet inspect`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from parrotlet.cli.inspect import LIST_ITEMS, shorten

ARCHITECTURE = "parakeet-tdt-0.6b-v2"


@pytest.fixture
def checkpoint(data_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(data_dir / ARCHITECTURE / "model.nemo", tmp_path / "tiny.nemo"))


def test_convert_then_transcribe(parrotlet_command, checkpoint, audio_dir, tmp_path) -> None:
    done = parrotlet_command("convert", checkpoint, "-o", "tiny.gguf", "--type", "f16")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("wrote tiny.gguf (")
    assert "f16" in done.stderr
    done = parrotlet_command("transcribe", "-m", "tiny.gguf", audio_dir / "clip01.wav")
    assert done.stdout == "the quick brown fox jumps over the lazy dog\n"


def test_default_output(parrotlet_command, checkpoint, tmp_path) -> None:
    assert parrotlet_command("convert", checkpoint, "--quiet").stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny-q8_0.gguf", "tiny.nemo"]


@pytest.mark.parametrize("cut", [None, 0, 1000, 700_000])
def test_bad_checkpoints(parrotlet_command, checkpoint, tmp_path, cut) -> None:
    if cut is None:
        checkpoint.unlink()
    else:
        checkpoint.write_bytes(checkpoint.read_bytes()[:cut])
    done = parrotlet_command("convert", "tiny.nemo", "-o", "out.gguf")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("parrotlet: tiny.nemo: ")
    assert done.stderr.count("\n") == 1
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"tiny.nemo"}


def test_output_in_a_directory_that_is_not_there(parrotlet_command, checkpoint) -> None:
    done = parrotlet_command("convert", checkpoint, "-o", "nowhere/out.gguf")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_inspect(parrotlet_command, ctc_model) -> None:
    done = parrotlet_command("inspect", ctc_model)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{ctc_model}: GGUF version 3, alignment 32"
    assert any(line.split() == ["general.architecture", "conformer"] for line in lines)
    row = next(line for line in lines if line.startswith("ctc_decoder.decoder_layers.0.weight "))
    assert row.split()[1:] == ["129", "x", "64", "q8_0", str(129 * 2 * 34)]
    bias = next(line for line in lines if line.startswith("ctc_decoder.decoder_layers.0.bias "))
    assert bias.split()[1:] == ["129", "f32", "516"]
    assert len(bias) == len(row), "columns are aligned"
    assert "... 128 in all]" in done.stdout
    assert lines[-1].startswith("total: ")


def test_inspect_json(parrotlet_command, ctc_model) -> None:
    found = json.loads(parrotlet_command("inspect", "--json", ctc_model).stdout)
    assert found["metadata"]["conformer.heads"] == ["ctc"]
    assert len(found["metadata"]["tokenizer.ggml.tokens"]) == 128
    tensors = {tensor["name"]: tensor for tensor in found["tensors"]}
    weight = tensors["ctc_decoder.decoder_layers.0.weight"]
    assert (weight["shape"], weight["type"], weight["bytes"]) == ([129, 64], "q8_0", 129 * 2 * 34)


def test_inspect_bad_file(parrotlet_command, tmp_path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF and no more")
    for name in ("x.gguf", "gone.gguf"):
        done = parrotlet_command("inspect", name)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"parrotlet: {name}: ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (3, "3"),
        (0.9700000286102295, "0.97"),
        (5.9604644775390625e-08, "5.960464e-08"),
        ("a\x1b[31m\nb", "a\\x1b[31m\\nb"),
        ("Grüße", "Grüße"),
        ("x" * 200, "x" * 100 + "... (200 characters)"),
        ([1, 2], "[1, 2]"),
        (list(range(9)), "[" + ", ".join(map(str, range(LIST_ITEMS))) + ", ... 9 in all]"),
    ],
)
def test_shorten(value: object, text: str) -> None:
    assert shorten(value) == text
