"""`parrotlet quantize`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import parrotlet

ARCHITECTURE = "parakeet-tdt-0.6b-v2"


@pytest.fixture
def source(converted: Callable[[str, str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(converted(ARCHITECTURE, "f16"), tmp_path / "in.gguf"))


def test_quantize_then_transcribe(parrotlet_command, source, audio_dir) -> None:
    done = parrotlet_command("quantize", "in.gguf", "out.gguf", "--type", "q8_0")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("wrote out.gguf (")
    assert done.stderr.endswith(", q8_0)\n")
    done = parrotlet_command("transcribe", "-m", "out.gguf", audio_dir / "clip01.wav")
    assert done.stdout == "the quick brown fox jumps over the lazy dog\n"


def test_keep(parrotlet_command, source, tmp_path) -> None:
    keep = ("--keep", "joint.enc.*=f16", "--keep", "*linear2*=q6_k", "--keep", "joint.enc.*=f32")
    done = parrotlet_command("quantize", "in.gguf", "out.gguf", "--type", "q4_k", "-q", *keep)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    expected = parrotlet.quantize(
        source, tmp_path / "python.gguf", "q4_k", {"*linear2*": "q6_k", "joint.enc.*": "f32"}
    )
    assert (tmp_path / "out.gguf").read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--type"),
        (("--type", "q9_9"), "q9_9"),
        (("--type", "q8_0", "--keep", "joint.*"), "'joint.*' is not PATTERN=TYPE"),
        (("--type", "q8_0", "--keep", "=f16"), "'=f16' is not PATTERN=TYPE"),
        (("--type", "q8_0", "--keep", "joint.*=f8"), "the type 'f8' is none of f32, f16, q8_0"),
        (("--type", "q8_0", "--keep", "jiont.*=f16"), "no matrix of the model matches 'jiont.*'"),
    ],
)
def test_usage_errors(parrotlet_command, source, tmp_path, options, message) -> None:
    done = parrotlet_command("quantize", "in.gguf", "out.gguf", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: parrotlet quantize")
    assert message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.gguf"]


@pytest.mark.parametrize("name", ["gone.gguf", "in.gguf", "once.gguf", "nowhere/out.gguf"])
def test_files_that_fail(parrotlet_command, source, tmp_path, name) -> None:
    """No such input, output equal to the input, input quantised already, no such directory."""
    parrotlet.quantize(source, tmp_path / "once.gguf", "q8_0")
    before = source.read_bytes()
    out = name if name in ("in.gguf", "nowhere/out.gguf") else "out.gguf"
    inputs = name if name in ("gone.gguf", "once.gguf") else "in.gguf"
    done = parrotlet_command("quantize", inputs, out, "--type", "q4_0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"parrotlet: {name}: ")
    assert done.stderr.count("\n") == 1
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"in.gguf", "once.gguf"}
