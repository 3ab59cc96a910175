"""`parrotlet transcribe` of many recordings: folders, several outputs, channels, bars."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from folders import SPOKEN, contents

NUMBER = "two one five nine zero one zero six eight three six seven three"
WORD = "p i t t s b u r g h"


def test_folder(parrotlet_command, ctc_model, talks) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, "talks")
    late = Path("talks", "late", "b.wav")
    assert done.stdout.splitlines() == [
        f"{Path('talks', 'A.WAV')}: {SPOKEN['clip04']}",
        f"{Path('talks', 'b.wav')}: {SPOKEN['clip01']}",
        f"{late}: {SPOKEN['clip07']}",
    ]
    assert done.returncode == 0
    assert done.stderr == "parrotlet: left out 1 file that is no recording: 1 .txt\n"


def test_pattern(parrotlet_command, ctc_model, talks) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, "talks/**/b.*")
    assert done.stdout.splitlines() == [
        f"talks/b.wav: {SPOKEN['clip01']}",
        f"talks/late/b.wav: {SPOKEN['clip07']}",
    ]


def test_a_file_whose_name_is_a_pattern(parrotlet_command, ctc_model, talks, tmp_path) -> None:
    shutil.copy(talks / "b.wav", tmp_path / "b[1].wav")
    done = parrotlet_command("transcribe", "-m", ctc_model, "b[1].wav")
    assert done.stdout == SPOKEN["clip01"] + "\n"


@pytest.mark.skipif(os.name == "nt", reason="no such file names there")
def test_names_that_control_a_terminal(parrotlet_command, ctc_model, talks, tmp_path) -> None:
    for name in ("two\nlines.wav", "red\x1b[31m.wav"):
        shutil.copy(talks / "b.wav", tmp_path / name)
    names = ("two\nlines.wav", "red\x1b[31m.wav", "gone\x9b2J.wav")
    done = parrotlet_command("transcribe", "-m", ctc_model, *names)
    assert done.stdout.splitlines() == [
        f"two\\nlines.wav: {SPOKEN['clip01']}",
        f"red\\x1b[31m.wav: {SPOKEN['clip01']}",
    ]
    assert done.stderr == "parrotlet: gone\\x9b2J.wav: no such file\n"


def test_nothing_there(parrotlet_command, ctc_model, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    names = ("empty", "*.mp3", "https://a.b/c.wav", "")
    done = parrotlet_command("transcribe", "-m", ctc_model, *names)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "parrotlet: empty: there are no recordings in this folder",
        "parrotlet: *.mp3: no file matches",
        "parrotlet: https://a.b/c.wav: is an address; download the recording and name the file",
        "parrotlet: '': the name of a recording is empty",
    ]


def test_several_formats(parrotlet_command, ctc_model, talks, tmp_path) -> None:
    done = parrotlet_command(
        "transcribe", "-m", ctc_model, talks, "-d", "out", "-f", "text,srt,vtt-words,tsv,json"
    )
    assert done.returncode == 0
    extensions = [".json", ".srt", ".tsv", ".txt", ".words.vtt"]
    names = [f"{base}{end}" for base in ("A", "b", "late/b") for end in extensions]
    assert sorted(contents(tmp_path / "out")) == sorted(names)
    assert (tmp_path / "out" / "late" / "b.txt").read_text() == SPOKEN["clip07"] + "\n"


def test_summary(parrotlet_command, ctc_model, talks) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, talks, "gone.wav", "-d", "out")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-3] == "parrotlet: 3 done, 1 failed"
    assert lines[-2].startswith("parrotlet: 0.00 hours of audio in ")
    assert "RTFx" in lines[-2]
    assert lines[-1] == "parrotlet: failed: gone.wav: no such file"
    quiet = parrotlet_command("transcribe", "-q", "-m", ctc_model, talks, "gone.wav", "-d", "out")
    assert quiet.stderr == "parrotlet: gone.wav: no such file\n"


def test_verbose(parrotlet_command, ctc_model, talks) -> None:
    done = parrotlet_command("transcribe", "-v", "-m", ctc_model, talks / "b.wav")
    assert done.stdout == SPOKEN["clip01"] + "\n"
    first, second = done.stderr.splitlines()
    assert "parakeet-ctc-0.6b" in first
    assert "threads" in first
    assert second == f"parrotlet: {talks / 'b.wav'}: 3.0 s, 9 words"


@pytest.mark.parametrize(
    "options",
    [
        ["--resume"],
        ["-f", "text,srt"],
        ["-f", "text,doc", "-d", "out"],
        ["--channel", "0"],
        ["--channel", "1", "--split-channels"],
        ["--max-memory", "much"],
        ["--max-memory", "1M"],
        ["--window", "3"],
        ["--attention-window", "0"],
        ["--attention-window", "10001"],
    ],
)
def test_wrong_command_lines(parrotlet_command, ctc_model, talks, options) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, talks / "b.wav", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_channels(parrotlet_command, examples_dir, tmp_path) -> None:
    left, right = (
        soundfile.read(examples_dir / name)[0] for name in ("example.wav", "spelled.wav")
    )
    stereo = np.zeros((16_000 + len(left), 2))
    stereo[: len(left), 0] = left
    stereo[-len(right) :, 1] = right
    soundfile.write(tmp_path / "call.wav", stereo, 16_000)
    command = ("transcribe", "-q", "-m", "demo", "call.wav")
    split = parrotlet_command(*command, "--split-channels")
    assert split.stdout.splitlines() == [f"1: {NUMBER}", f"2: {WORD}"]
    second = parrotlet_command(*command, "--channel", 2)
    assert second.stdout == WORD + "\n"
    third = parrotlet_command(*command, "--channel", 3)
    assert third.returncode == 1
    assert third.stderr == "parrotlet: call.wav: has 2 channels; there is no channel 3\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_completion(parrotlet_command, shell) -> None:
    done = parrotlet_command("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("transcribe", "split-channels", "resume"):
        assert word in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("parrotlet transcribe --split", "--split-channels"),
        ("parrotlet transcribe --format vtt", "vtt vtt-words"),
        ("parrotlet bench --preset nemotron-s", "nemotron-speech-streaming-en-0.6b"),
        ("parrotlet models --language kk", "kk"),
        (
            "parrotlet models remove nvidia/parakeet-rnnt-1",
            "nvidia/parakeet-rnnt-1.1b nvidia/parakeet-rnnt-110m-da-dk",
        ),
        ("parrotlet transcribe comp", "complete"),
    ],
)
def test_completion_in_bash(parrotlet_command, tmp_path, line, completed) -> None:
    (tmp_path / "complete").write_text(parrotlet_command("completion", "bash").stdout)
    script = (
        f". ./complete; COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}; "
        f"COMP_LINE='{line}'; _shtab_parrotlet; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == completed + "\n"


def test_a_terminal_sees_a_bar_and_colours(environment, ctc_model, audio_dir, tmp_path) -> None:
    pty = pytest.importorskip("pty")
    clip, _ = soundfile.read(audio_dir / "clip01.wav")
    soundfile.write(tmp_path / "long.wav", np.tile(clip, 40), 16_000)
    slow = (
        "import sys; from parrotlet.cli import console, main; console.BAR_DELAY = 0.0; "
        "sys.exit(main(sys.argv[1:]))"
    )
    command = ["-c", slow, "transcribe", "-m", ctc_model, "long.wav", "gone.wav"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *command, "--window", "10"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 65536):
            seen += data
    except OSError:
        pass  # Linux says so that the other end is closed
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert out.startswith(b"long.wav: the quick brown fox")
    assert b"\x1b" not in out
    shown = seen.decode()
    assert "long.wav (1 of 2)" in shown
    assert "\x1b[1;36mparrotlet:\x1b[0m gone.wav: no such file" in shown
    assert "1 done, 1 failed" in shown
