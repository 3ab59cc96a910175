"""LMU models on the command line, from the checkpoint to the text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

WORDS = "the quick brown fox jumps over the lazy dog"


@pytest.fixture
def clip(audio_dir: Path) -> Path:
    return audio_dir / "clip01.wav"


def test_convert_transcribe_inspect(parrotlet_command, data_dir, clip) -> None:
    checkpoint = data_dir / "lmu" / "attention-no-bias" / "checkpoint.pt"
    done = parrotlet_command("convert", checkpoint, "-o", "m.gguf", "--type", "f16")
    assert (done.returncode, done.stdout) == (0, "")
    assert parrotlet_command("transcribe", "-m", "m.gguf", clip).stdout == f"{WORDS}\n"
    done = parrotlet_command("inspect", "m.gguf")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["general.architecture", "lmu"] in lines
    assert ["encoder.lmu_layers.0.cell.A", "32", "x", "32", "f32", "4096"] in lines
    assert ["encoder.lmu_layers.0.cell.W_m", "64", "x", "32", "f16", "4096"] in lines


def test_a_checkpoint_is_no_model(parrotlet_command, data_dir, clip) -> None:
    checkpoint = data_dir / "lmu" / "attention" / "checkpoint.pt"
    done = parrotlet_command("transcribe", "-m", checkpoint, clip)
    assert done.returncode != 0
    assert "is a PyTorch checkpoint; convert it first" in done.stderr


@pytest.mark.parametrize("variant", ["recurrent", "recurrent-live", "fft"])
def test_stream(parrotlet_command, converted, clip, variant) -> None:
    model = converted(f"lmu/{variant}", "f32")
    done = parrotlet_command("stream", "--fast", "-m", model, clip)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{WORDS}\n", "")
    done = parrotlet_command("stream", "--fast", "-f", "json", "-m", model, clip)
    *partials, result = map(json.loads, done.stdout.splitlines())
    assert (result["type"], result["text"]) == ("result", WORDS)
    words = [word["word"] for partial in partials for word in partial.get("words", ())]
    assert " ".join(words) == WORDS
    # Before the end a preview has nothing but unfinished text.
    early = [p for p in partials if p["time"] < soundfile.info(clip).duration - 0.5]
    assert any(p["unfinished"] for p in early)
    assert any(p["words"] for p in early) == (variant != "recurrent")


def test_attention_does_not_stream(parrotlet_command, converted, clip) -> None:
    done = parrotlet_command("stream", "--fast", "-m", converted("lmu/attention", "f32"), clip)
    assert (done.returncode, done.stdout) == (1, "")
    assert "self-attention, which sees the whole recording" in done.stderr
    assert done.stderr.count("\n") == 1


def test_there_is_no_right_context(parrotlet_command, converted, clip) -> None:
    model = converted("lmu/recurrent-live", "f32")
    done = parrotlet_command("stream", "--right-context", 1, "-m", model, clip)
    assert (done.returncode, done.stdout) == (2, "")
    assert "it is recurrent" in done.stderr
