"""`parrotlet stream` with several recordings, which are live at the same time."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal

import pytest

SPELLED = "p i t t s b u r g h"

posix = pytest.mark.skipif(os.name == "nt", reason="terminals and signals differ there")


def test_several_recordings(parrotlet_command, spelled, examples_dir) -> None:
    digits = "two one five nine zero one zero six eight three six seven three"
    done = parrotlet_command("stream", "--fast", "-q", spelled, examples_dir / "example.wav")
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == [
        f"example.wav: {digits}",
        f"spelled.wav: {SPELLED}",
    ]


def test_names_that_are_the_same(parrotlet_command, spelled, tmp_path) -> None:
    paths = [tmp_path / folder / "sound.wav" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(spelled, path)
    done = parrotlet_command("stream", "--fast", "-q", *paths)
    assert sorted(done.stdout.splitlines()) == [f"{path}: {SPELLED}" for path in paths]


def test_several_recordings_as_json(parrotlet_command, spelled) -> None:
    done = parrotlet_command(
        "stream", "--fast", "-q", "-f", "json", spelled, "-", input="\0" * 64_000
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["audio"] for line in lines} == {str(spelled), "-"}
    results = {line["audio"]: line["text"] for line in lines if line["type"] == "result"}
    assert results == {str(spelled): SPELLED, "-": ""}


def test_one_of_several_that_fails(parrotlet_command, spelled, tmp_path) -> None:
    done = parrotlet_command("stream", "--fast", "-q", tmp_path / "none.wav", spelled)
    assert (done.returncode, done.stdout) == (1, f"spelled.wav: {SPELLED}\n")
    assert "none.wav: no such file" in done.stderr


@posix
def test_several_recordings_on_a_terminal(start, spelled, examples_dir) -> None:
    controller, terminal = os.openpty()
    with os.fdopen(terminal, "wb") as out:
        process = start("--fast", spelled, examples_dir / "example.wav", stdout=out)
    shown = b""
    with contextlib.suppress(OSError), os.fdopen(controller, "rb", 0) as screen:
        while data := screen.read(1 << 12):
            shown += data
    assert process.wait(60) == 0
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    assert "spelled.wav p i t t s" in text  # while it went on
    assert "spelled.wav: p i t t s b u r g h" in text  # at the end


@posix
def test_interrupt_ends_all(start, spelled, examples_dir) -> None:
    process = start("-f", "json", spelled, examples_dir / "example.wav")
    assert b"partial" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out = process.stdout.read()  # and what was read ahead
    assert (process.wait(60), process.stderr.read()) == (130, b"")
    assert out.count(b'"type": "result"') == 2
