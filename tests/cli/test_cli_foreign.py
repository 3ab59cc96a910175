"""The commands with files of other projects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from foreign_files import read_checkpoint
from foreign_writers import nemo_speech

SAID = "the quick brown fox jumps over the lazy dog\n"


@pytest.fixture
def theirs(tmp_path: Path, environment: dict[str, str]) -> str:
    environment["PARROTLET_CACHE"] = str(tmp_path / "cache")
    nemo_speech(read_checkpoint("parakeet-ctc-0.6b"), "q8_0").write(tmp_path / "theirs.gguf")
    return "theirs.gguf"


def test_transcribe(parrotlet_command, theirs, audio_dir, tmp_path) -> None:
    clip = audio_dir / "clip01.wav"
    done = parrotlet_command("transcribe", "-m", theirs, clip)
    (made,) = (tmp_path / "cache").rglob("*.gguf")
    line = f"parrotlet: theirs.gguf: is a file of NeMo-Speech.cpp; converting it once, to {made}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, SAID, line)
    done = parrotlet_command("transcribe", "-m", theirs, clip)
    assert (done.returncode, done.stdout, done.stderr) == (0, SAID, "")
    made.unlink()
    done = parrotlet_command("transcribe", "-q", "-m", theirs, clip)
    assert (done.returncode, done.stdout, done.stderr) == (0, SAID, "")


def test_convert_and_inspect(parrotlet_command, theirs, tmp_path) -> None:
    done = parrotlet_command("convert", theirs, "-o", "mine.gguf")
    assert done.returncode == 0
    assert done.stderr.startswith("wrote mine.gguf (")
    shown = json.loads(parrotlet_command("inspect", theirs, "--json").stdout)
    assert shown["metadata"]["general.architecture"] == "asr"
    mine = json.loads(parrotlet_command("inspect", "mine.gguf", "--json").stdout)
    assert mine["metadata"]["general.architecture"] == "conformer"
    assert not (tmp_path / "cache").exists()
    done = parrotlet_command("convert", "mine.gguf", "-o", "again.gguf")
    assert done.returncode == 1
    assert "parrotlet quantize" in done.stderr
    done = parrotlet_command("quantize", theirs, "again.gguf", "--type", "q8_0")
    assert done.returncode == 1
    assert "parrotlet convert theirs.gguf --type q8_0" in done.stderr
