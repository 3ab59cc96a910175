"""What `parrotlet --version` says, and with `-v`."""

from __future__ import annotations

import platform
from importlib import metadata

import av
import numpy as np
import pytest

from parrotlet import _core
from parrotlet.cli import main
from parrotlet.machine import usable_cores


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"parrotlet {metadata.version('parrotlet')}\n"


@pytest.mark.parametrize("arguments", (["--version", "-v"], ["-v", "--version"]))
def test_what_it_runs_with(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"parrotlet {metadata.version('parrotlet')}"
    said = dict(line.split(None, 1) for line in lines)
    assert said["kernels"] == f"{_core.isa()} of {', '.join(_core.available_isas())}"
    assert said["threads"] == str(usable_cores())
    assert said[platform.python_implementation()] == platform.python_version()
    assert said["NumPy"] == np.__version__
    assert said["PyAV"] == f"{av.__version__}, FFmpeg {av.ffmpeg_version_info}"
    assert said["gguf"] == metadata.version("gguf")
    assert said["soxr"] == metadata.version("soxr")


def test_a_library_that_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parrotlet.cli.version.LIBRARIES", {"PyAV": "av", "other": "no-such"})
    assert main(["--version", "-v"]) == 0
    assert "other            not installed\n" in capsys.readouterr().out


def test_kernels_that_there_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARROTLET_ISA", "sse9")
    assert main(["--version", "-v"]) == 2
    assert "'sse9' is not available here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ([], "the following arguments are required: COMMAND"),
        (["-v"], "-v stands after --version"),
        (["-v", "models"], "-v stands after --version, or after the command"),
    ),
)
def test_without_a_command(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2 and message in capsys.readouterr().err
