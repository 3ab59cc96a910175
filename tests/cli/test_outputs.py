"""Outputs that cannot be written are named before the work, and JSON loses no letter anywhere."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from parrotlet import ParrotletError
from parrotlet.cli import live
from parrotlet.cli.console import json_for
from parrotlet.output import check_writable
from parrotlet.results import Transcription

LETTERS = "grüße, мир, 世界 😀"


def out(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", newline="")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16"])
def test_json_loses_no_letter(encoding: str) -> None:
    file = out(encoding)
    text = json.dumps({"text": LETTERS}, ensure_ascii=False)
    file.write(json_for(file, text))
    file.flush()
    data = file.buffer.getvalue()  # type: ignore[attr-defined]
    assert json.loads(data.decode(encoding)) == {"text": LETTERS}
    if encoding.startswith("utf"):
        assert json_for(file, text) == text


def test_json_keeps_the_letters_that_can_be_written() -> None:
    text = json.dumps({"text": "grüße"}, ensure_ascii=False)
    assert json_for(out("latin-1"), text) == text
    assert json_for(out("ascii"), text) == json.dumps({"text": "grüße"})


def test_json_lines_of_a_stream_lose_no_letter() -> None:
    file = out("latin-1")
    display = live.JsonLines(file)
    display.close(Transcription(LETTERS, 1.0, (), (), (), "ctc", "m"))
    (line,) = file.buffer.getvalue().decode("latin-1").splitlines()  # type: ignore[attr-defined]
    assert json.loads(line)["text"] == LETTERS


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("format", ["json", "text", "srt"])
def test_names_in_an_8_bit_locale(
    parrotlet_command, environment, examples_dir: Path, tmp_path: Path, encoding: str, format: str
) -> None:
    name = "голос.wav"
    (tmp_path / name).write_bytes((examples_dir / "spelled.wav").read_bytes())
    settings = {**environment, "PYTHONIOENCODING": encoding}
    done = parrotlet_command(
        "transcribe", "-q", "-m", "demo", name, "-f", format, env=settings, encoding=encoding
    )
    assert (done.returncode, done.stderr) == (0, "")
    if format == "json":
        assert json.loads(done.stdout)["audio"] == name
    assert "p i t t s b u r g h" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="other limits there")
def test_too_long_a_name_is_said_before_the_transcription(
    parrotlet_command, examples_dir: Path, tmp_path: Path
) -> None:
    long = "n" * 249 + ".wav"  # with .words.vtt it is too long
    (tmp_path / long).write_bytes((examples_dir / "spelled.wav").read_bytes())
    command = ("transcribe", "-m", "demo", "-v", long, "-d", "out")
    done = parrotlet_command(*command, "-f", "text,vtt-words")
    assert done.returncode == 1
    assert "cannot be written (File name too long)" in done.stderr
    assert "words" not in done.stderr.replace(".words.", "")  # of what has been transcribed
    assert list((tmp_path / "out").iterdir()) == []
    assert parrotlet_command(*command).returncode == 0


def test_a_directory_in_the_way(parrotlet_command, examples_dir: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.wav").write_bytes((examples_dir / "spelled.wav").read_bytes())
    (tmp_path / "out" / "a.txt").mkdir(parents=True)
    done = parrotlet_command("transcribe", "-v", "-m", "demo", "a.wav", "b.wav", "-d", "out")
    assert done.returncode == 1
    assert f"{Path('out', 'a.txt')}: cannot be written (it is a directory)" in done.stderr
    assert "a.wav: " not in done.stderr
    assert (tmp_path / "out" / "b.txt").read_text() == "p i t t s b u r g h\n"


def test_folders_that_can_be_made(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "c.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["n" * 300, "a/" + "n" * 300 + "/b", "file/b", "a\0b"])
def test_names_that_there_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ParrotletError, match="cannot be written"):
        check_writable(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_folders_in_which_nobody_may_write(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ParrotletError, match="nobody may write"):
        check_writable(tmp_path / "closed" / "a.txt")


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_text_in_the_c_locale(examples_dir: Path, environment: dict[str, str]) -> None:
    settings = {**environment, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "parrotlet", "transcribe", "-q", examples_dir / "spelled.wav"],
        capture_output=True,
        env=settings,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"p i t t s b u r g h\n"
