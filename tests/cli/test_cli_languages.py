"""Languages on the command line: chosen, listed, heard and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from parrotlet.cli import main

NAME = "nemotron-3.5-asr-streaming-0.6b"


@pytest.fixture
def model(converted: Callable[[str, str], Path]) -> str:
    return str(converted(NAME, "f32"))


@pytest.fixture
def clip(audio_dir: Path) -> str:
    return str(audio_dir / "clip04.wav")


def test_transcribe(model, clip, capsys) -> None:
    assert main(["transcribe", "-m", model, clip, "--language", "de-DE"]) == 0
    assert capsys.readouterr().out == "das rote haus\n"
    assert main(["transcribe", "-m", model, clip, "--keep-language-tags"]) == 0
    text = "open the window and bring the small red box"
    assert capsys.readouterr().out == f"{text} <en-US>\n"
    assert main(["transcribe", "-m", model, clip, "-f", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["text"], result["language"]) == (text, "en-US")
    assert result["segments"][0]["language"] == "en-US"


def test_stream(model, clip, capsys) -> None:
    arguments = ["stream", "-m", model, clip, "--fast", "--language", "de-DE"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "das rote haus\n"
    assert main([*arguments, "--format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["language"] for line in lines} == {"de-DE"}
    assert lines[-1]["type"] == "result"


@pytest.mark.parametrize("command", [["transcribe"], ["stream", "--fast"]])
def test_a_language_that_there_is_not(command, model, clip, converted, capsys) -> None:
    assert main([*command, "-m", model, clip, "--language", "de-AT"]) == 2
    assert "language is 'de-AT'; " in (error := capsys.readouterr().err)
    assert " has de-DE, de, " in error
    other = str(converted("stt_en_fastconformer_hybrid_large_streaming_multi", "f32"))
    assert main([*command, "-m", other, clip, "--language", "de-DE"]) == 2
    assert "is not told a language; leave it out" in capsys.readouterr().err


def test_resuming_looks_at_the_language(model, clip, tmp_path, capsys) -> None:
    arguments = ["transcribe", "-m", model, clip, "-d", str(tmp_path), "--resume"]
    output = tmp_path / "clip04.txt"
    for more, text in (
        ([], "open the window and bring the small red box\n"),
        (["--language", "de-DE"], "das rote haus\n"),
        (["--language", "de-DE", "--keep-language-tags"], "das rote haus <de-DE>\n"),
    ):
        for expected in ("wrote", "1 done before"):
            assert main([*arguments, *more]) == 0
            assert expected in capsys.readouterr().err
            assert output.read_text() == text


def test_inspect(model, converted, capsys) -> None:
    assert main(["inspect", model]) == 0
    assert "\nlanguages: en-US, en, en-GB, es-ES, " in capsys.readouterr().out
    assert main(["inspect", model, "--json"]) == 0
    assert "auto" in json.loads(capsys.readouterr().out)["languages"]
    other = str(converted("parakeet-ctc-0.6b", "q8_0"))
    assert main(["inspect", other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["languages"] == []
    assert main(["inspect", other]) == 0
    assert "languages:" not in capsys.readouterr().out


def test_memory_and_bench_know_the_architecture(capsys) -> None:
    assert main(["memory", NAME]) == 0
    assert "Prompt Kernel" in capsys.readouterr().out
