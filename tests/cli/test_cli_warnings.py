"""What the command says of recordings that are damaged, and of their tracks."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from sound_files import encode_into, pcm, tone, wav_header

CLAIM = "the header says 0 samples; read to the end of the file"


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    path = tmp_path / "crashed.wav"
    path.write_bytes(wav_header(0) + pcm(tone(500, 1)))
    return path


def test_a_warning_is_a_line(parrotlet_command, ctc_model, unfinished) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, "crashed.wav")
    assert done.returncode == 0
    assert done.stderr == f"parrotlet: crashed.wav: {CLAIM}\n"
    quiet = parrotlet_command("transcribe", "-q", "-m", ctc_model, "crashed.wav")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, done.stdout, "")


def test_warnings_in_json(parrotlet_command, ctc_model, unfinished) -> None:
    done = parrotlet_command("transcribe", "-q", "-m", ctc_model, "-f", "json", "crashed.wav")
    assert json.loads(done.stdout)["warnings"] == [CLAIM]
    data = unfinished.read_bytes()
    piped = parrotlet_command(
        "transcribe", "-m", ctc_model, "-", input=data, text=False, encoding=None
    )
    assert piped.stderr.decode() == f"parrotlet: <stdin>: {CLAIM}\n"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    with av.open(str(tmp_path / "film.mkv"), "w") as container:
        signals = (np.zeros(16_000, np.float32), tone(500, 1))
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in signals]
        for stream, signal in zip(streams, signals, strict=True):
            encode_into(container, stream, signal[None], 16_000, "mono")
    return tmp_path / "film.mkv"


def test_tracks_are_named(parrotlet_command, ctc_model, film) -> None:
    done = parrotlet_command("transcribe", "-v", "-m", ctc_model, "film.mkv")
    lines = [line for line in done.stderr.splitlines() if "track" in line]
    assert lines == [
        "parrotlet: film.mkv: track 1: pcm_s16le, 1 channel",
        "parrotlet: film.mkv: track 2: pcm_s16le, 1 channel, transcribed",
    ]


def test_a_track_by_its_number(parrotlet_command, ctc_model, film) -> None:
    silent = parrotlet_command("transcribe", "--track", "1", "-m", ctc_model, "film.mkv")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "\n", "")
    missing = parrotlet_command("transcribe", "--track", "3", "-m", ctc_model, "film.mkv")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == "parrotlet: film.mkv: has 2 sound tracks; there is no track 3\n"
    wrong = parrotlet_command("transcribe", "--track", "x", "-m", ctc_model, "film.mkv")
    assert wrong.returncode == 2
    assert "'x' is not a track's number, from 1" in wrong.stderr
