"""`parrotlet transcribe` in processes of its own: streams, files and exit statuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from folders import contents


@pytest.fixture
def clips(audio_dir: Path) -> tuple[Path, Path]:
    return audio_dir / "clip01.wav", audio_dir / "clip04.wav"


@pytest.fixture
def texts(data_dir: Path) -> tuple[str, str]:
    expected = json.loads((data_dir / "parakeet-ctc-0.6b" / "expected.json").read_text())
    return expected["clip01"]["ctc"]["text"], expected["clip04"]["ctc"]["text"]


def test_one_recording_is_bare_text(parrotlet_command, ctc_model, clips, texts) -> None:
    done = parrotlet_command("transcribe", "--model", ctc_model, clips[0])
    assert (done.returncode, done.stdout, done.stderr) == (0, texts[0] + "\n", "")


def test_several_recordings_are_named(parrotlet_command, ctc_model, clips, texts) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, *clips, "--threads", 1)
    want = "".join(f"{clip}: {text}\n" for clip, text in zip(clips, texts, strict=True))
    assert (done.returncode, done.stdout, done.stderr) == (0, want, "")


def test_a_file_that_fails_is_named_and_the_others_go_on(
    parrotlet_command, ctc_model, clips, texts, tmp_path
) -> None:
    (tmp_path / "notes.txt").write_text("no recording")
    done = parrotlet_command("transcribe", "-m", ctc_model, "gone.wav", "notes.txt", clips[0])
    assert done.returncode == 1
    assert done.stdout == f"{clips[0]}: {texts[0]}\n"
    first, second = done.stderr.splitlines()
    assert first == "parrotlet: gone.wav: no such file"
    assert second.startswith("parrotlet: notes.txt: cannot be read as audio")


def test_model_from_the_environment(
    parrotlet_command, environment, ctc_model, clips, texts
) -> None:
    env = {**environment, "PARROTLET_MODEL": str(ctc_model)}
    done = parrotlet_command("transcribe", clips[0], env=env)
    assert (done.stdout, done.stderr) == (texts[0] + "\n", "")


@pytest.mark.parametrize("option", [[], ["--model", "demo"]])
def test_demo_model_says_what_it_is(parrotlet_command, examples_dir, option) -> None:
    done = parrotlet_command("transcribe", *option, examples_dir / "spelled.wav")
    assert (done.returncode, done.stdout) == (0, "p i t t s b u r g h\n")
    first, second = done.stderr.splitlines()
    assert "spelled letters and digits only" in first
    assert "huggingface.co/nvidia/" in second
    assert "parrotlet convert" in second


def test_quiet_demo_model(parrotlet_command, examples_dir) -> None:
    done = parrotlet_command("transcribe", "--quiet", examples_dir / "spelled.wav")
    assert (done.returncode, done.stderr) == (0, "")


def test_json(parrotlet_command, ctc_model, clips, texts) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, "--format", "json", *clips)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [item["text"] for item in found] == list(texts)
    assert [item["audio"] for item in found] == [str(clip) for clip in clips]
    assert [item["duration"] for item in found] == pytest.approx([2.965, 2.464375])
    assert " ".join(word["word"] for word in found[0]["words"]) == texts[0]
    assert list(found[0]["words"][0]) == ["word", "start", "end", "confidence"]
    assert list(found[0]["tokens"][0]) == ["id", "piece", "start", "end", "frame", "confidence"]


def test_subtitles(parrotlet_command, ctc_model, clips, texts) -> None:
    srt = parrotlet_command("transcribe", "-m", ctc_model, "-f", "srt", clips[0]).stdout
    assert srt.startswith("1\n00:00:00,000 --> 00:00:0")
    assert " ".join(srt.splitlines()[2:]) == texts[0]
    vtt = parrotlet_command("transcribe", "-m", ctc_model, "-f", "vtt", clips[0]).stdout
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:0")


def test_output_directory(parrotlet_command, ctc_model, clips, texts, tmp_path) -> None:
    (tmp_path / "Grüße").mkdir()
    copy = shutil.copy(clips[1], tmp_path / "Grüße" / "clip01.wav")
    done = parrotlet_command(
        "transcribe", "-m", ctc_model, "-d", "out/日本", clips[0], copy, "gone.wav"
    )
    out = tmp_path / "out" / "日本"
    assert (done.returncode, done.stdout) == (1, "")
    assert sorted(contents(out)) == ["clip01-2.txt", "clip01.txt"]
    assert (out / "clip01.txt").read_text("utf-8") == texts[0] + "\n"
    assert (out / "clip01-2.txt").read_text("utf-8") == texts[1] + "\n"
    assert "gone.wav: no such file" in done.stderr
    assert f"wrote {Path('out/日本/clip01.txt')}" in done.stderr


def test_output_directory_that_is_a_file(parrotlet_command, ctc_model, clips, tmp_path) -> None:
    (tmp_path / "out").write_text("")
    done = parrotlet_command("transcribe", "-m", ctc_model, "-d", "out", clips[0])
    assert done.returncode == 1
    assert done.stderr.startswith("parrotlet: out: ")


@pytest.mark.parametrize("options", [["--head", "ctc"], ["--decoder", "transducer"], []])
def test_decoder(parrotlet_command, hybrid_model, clips, texts, options) -> None:
    done = parrotlet_command("transcribe", "-m", hybrid_model, "-f", "json", clips[0], *options)
    found = json.loads(done.stdout)
    assert found["text"] == texts[0]
    assert found["decoder"] == ("ctc" if "ctc" in options else "rnnt")


def test_right_context(parrotlet_command, hybrid_model, clips, data_dir) -> None:
    done = parrotlet_command("transcribe", "-m", hybrid_model, "--right-context", 0, clips[1])
    architecture = hybrid_model.stem.removesuffix("-f32")
    expected = json.loads((data_dir / architecture / "expected.json").read_text())
    # NeMo's results for this clip were taken with no right context.
    assert done.stdout == expected["clip04"]["rnnt"]["text"] + "\n"


def test_recording_on_standard_input(parrotlet_command, ctc_model, clips, texts) -> None:
    done = parrotlet_command(
        "transcribe", "-m", ctc_model, "-", input=clips[0].read_bytes(), text=False, encoding=None
    )
    assert (done.returncode, done.stdout.decode()) == (0, texts[0] + "\n")
    with clips[0].open("rb") as file:
        assert parrotlet_command("transcribe", "-m", ctc_model, "-", stdin=file).stdout == (
            texts[0] + "\n"
        )


def test_an_empty_file_on_standard_input(parrotlet_command, ctc_model, tmp_path) -> None:
    (tmp_path / "empty.wav").touch()
    with (tmp_path / "empty.wav").open("rb") as file:
        done = parrotlet_command("transcribe", "-m", ctc_model, "-", stdin=file)
    assert done.returncode == 1
    assert done.stderr == "parrotlet: <stdin>: the file is empty (0 bytes)\n"


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes streams")
@pytest.mark.parametrize(
    ("arguments", "closed", "out", "err"),
    [
        ("transcribe -q clip.wav", "1", "", ""),
        ("transcribe -q clip.wav", "2", "the quick brown fox jumps over the lazy dog\n", ""),
        ("transcribe -q -", "0", "", "parrotlet: /dev/null: the file is empty (0 bytes)\n"),
        ("stream -q --fast clip.wav", "1", "", None),
        ("stream -q -", "0", "", None),
    ],
)
def test_closed_streams(
    environment, ctc_model, clips, tmp_path, arguments, closed, out, err
) -> None:
    shutil.copy(clips[0], tmp_path / "clip.wav")
    command = f'"{sys.executable}" -m parrotlet {arguments} -m "{ctc_model}" {closed}>&-'
    done = subprocess.run(
        ["sh", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == out
    assert done.stderr.count("\n") <= 1
    if err is not None:
        assert (done.returncode, done.stderr) == (1 if err else 0, err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_standard_output_that_fails(parrotlet_command, ctc_model, clips) -> None:
    with Path("/dev/full").open("wb") as full:
        done = parrotlet_command(
            "transcribe", "-m", ctc_model, clips[0], capture_output=False, stdout=full, stderr=-1
        )
    assert done.returncode == 1
    assert done.stderr == "parrotlet: standard output: No space left on device\n"


@pytest.mark.parametrize("data", [b"", b"no audio"])
def test_standard_input_without_a_recording(parrotlet_command, ctc_model, data) -> None:
    done = parrotlet_command(
        "transcribe", "-m", ctc_model, "-", input=data, text=False, encoding=None
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"parrotlet: <stdin>: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "empty"),
        (np.full(160, 0.1), "too short"),
        (np.full(16_000, np.nan), "sample 0 is nan"),
    ],
)
def test_bad_recordings(parrotlet_command, ctc_model, tmp_path, samples, message) -> None:
    soundfile.write(tmp_path / "bad.wav", samples, 16_000, subtype="FLOAT")
    done = parrotlet_command("transcribe", "-m", ctc_model, "bad.wav")
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_silence_is_an_empty_line(parrotlet_command, ctc_model, tmp_path) -> None:
    soundfile.write(tmp_path / "silence.flac", np.zeros(44_100), 44_100)
    done = parrotlet_command("transcribe", "-m", ctc_model, "silence.flac")
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize("content", [None, "text", b"GGUF\x03\x00\x00\x00\xff\xff\xff\xff"])
def test_bad_models(parrotlet_command, clips, tmp_path, content) -> None:
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "bad.gguf").write_bytes(data)
    done = parrotlet_command("transcribe", "-m", "bad.gguf", clips[0])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("parrotlet: bad.gguf: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["transcribe"],
        ["sing"],
        ["transcribe", "a.wav", "--threads", "0"],
        ["transcribe", "a.wav", "--threads", "two"],
        ["transcribe", "a.wav", "--right-context", "-1"],
        ["transcribe", "a.wav", "--format", "doc"],
        ["transcribe", "a.wav", "--head", "beam"],
        ["transcribe", "a.wav", "b.wav", "--format", "srt"],
        ["transcribe", "-", "-"],
        ["transcribe", "a.wav", "-m", ""],
        ["transcribe", "a.wav", "-d", ""],
        ["convert", ""],
        ["convert", "a.nemo", "-o", ""],
        ["quantize", "", "b.gguf", "--type", "q8_0"],
        ["quantize", "a.gguf", "", "--type", "q8_0"],
        ["inspect", ""],
        ["memory", ""],
        ["convert"],
        ["convert", "a.nemo", "--type", "q3"],
        ["inspect"],
    ],
)
def test_wrong_command_lines(parrotlet_command, arguments) -> None:
    done = parrotlet_command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "parrotlet" in done.stderr
    assert "Traceback" not in done.stderr


def test_options_that_the_model_does_not_have(parrotlet_command, ctc_model, clips) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, clips[0], "--head", "transducer")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has ctc only" in done.stderr
    done = parrotlet_command("transcribe", "-m", ctc_model, clips[0], "--right-context", 1)
    assert (done.returncode, done.stdout) == (2, "")
    assert "whole recording" in done.stderr


def test_right_context_names_the_choices(parrotlet_command, hybrid_model, clips) -> None:
    done = parrotlet_command("transcribe", "-m", hybrid_model, clips[0], "--right-context", 3)
    assert done.returncode == 2
    assert "choose from 13, 6, 1, 0" in done.stderr


def test_unknown_instruction_set(parrotlet_command, environment, ctc_model, clips) -> None:
    env = {**environment, "PARROTLET_ISA": "sse9"}
    done = parrotlet_command("transcribe", "-m", ctc_model, clips[0], env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("parrotlet: ")
    assert "'sse9'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_version_and_help(parrotlet_command) -> None:
    version = parrotlet_command("--version")
    assert (version.returncode, version.stdout.split()[0]) == (0, "parrotlet")
    overview = parrotlet_command("--help")
    assert all(command in overview.stdout for command in ("transcribe", "convert", "inspect"))
    assert "--right-context" in parrotlet_command("transcribe", "--help").stdout


def test_installed_command(environment, ctc_model, clips, texts) -> None:
    command = shutil.which("parrotlet", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run(
        [command, "transcribe", "-m", ctc_model, clips[0]],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert done.stdout == texts[0] + "\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
def test_a_reader_that_leaves_is_no_error(environment, ctc_model, clips) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "parrotlet", "transcribe", "-m", ctc_model, *clips],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_interrupt(environment, ctc_model, tmp_path) -> None:
    # Reading from a pipe that nobody writes to lasts until the signal comes.
    os.mkfifo(tmp_path / "pipe.wav")
    process = subprocess.Popen(
        [sys.executable, "-m", "parrotlet", "transcribe", "-m", ctc_model, tmp_path / "pipe.wav"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    # Opening the other end returns when the recording is being read.
    with (tmp_path / "pipe.wav").open("wb"):
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"parrotlet: interrupted\n")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode there")
def test_file_names_that_are_no_unicode(
    parrotlet_command, ctc_model, clips, texts, tmp_path
) -> None:
    name = os.fsdecode(b"\xff.wav")
    shutil.copy(clips[0], tmp_path / name)
    done = parrotlet_command(
        "transcribe", "-m", ctc_model, name, os.fsdecode(b"\xfe.wav"), text=False, encoding=None
    )
    assert done.returncode == 1
    assert done.stdout == b"\xff.wav: " + texts[0].encode() + b"\n"
    assert done.stderr == b"parrotlet: \\udcfe.wav: no such file\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_terminals_without_unicode(
    parrotlet_command, environment, ctc_model, clips, texts, tmp_path, encoding
) -> None:
    shutil.copy(clips[0], tmp_path / "日本.wav")
    env = {**environment, "PYTHONIOENCODING": encoding}
    names = ("日本.wav", "gone.wav")
    done = parrotlet_command("transcribe", "-m", ctc_model, *names, env=env, encoding=encoding)
    assert done.returncode == 1
    assert done.stdout == f"??.wav: {texts[0]}\n"
