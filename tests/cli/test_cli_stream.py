"""`parrotlet stream` in processes of its own: recordings, pipes, terminals, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

import parrotlet
from parrotlet.audio import read_audio
from parrotlet.cli import main, model_options

SPELLED = "p i t t s b u r g h\n"

posix = pytest.mark.skipif(os.name == "nt", reason="terminals and signals differ there")


def raw(path: Path) -> bytes:
    return np.round(read_audio(path, 16_000) * 32767).astype("<i2").tobytes()


def test_recording(parrotlet_command, spelled) -> None:
    done = parrotlet_command("stream", "--fast", spelled)
    assert (done.returncode, done.stdout) == (0, SPELLED)
    assert "spelled letters and digits only" in done.stderr
    done = parrotlet_command("stream", "--fast", "--quiet", "--right-context", 0, spelled)
    assert (done.returncode, done.stdout, done.stderr) == (0, SPELLED, "")


def test_recording_in_real_time(parrotlet_command, hybrid_model, audio_dir, data_dir) -> None:
    done = parrotlet_command("stream", "-m", hybrid_model, audio_dir / "clip04.wav")
    expected = json.loads((data_dir / hybrid_model.stem[:-4] / "expected.json").read_text())
    text = expected["clip04"]["stream_13"]["text"]
    assert (done.returncode, done.stdout, done.stderr) == (0, text + "\n", "")


def test_decoder(parrotlet_command, hybrid_model, audio_dir) -> None:
    clip = audio_dir / "clip01.wav"
    for decoder, head in (("ctc", "ctc"), ("transducer", "rnnt")):
        done = parrotlet_command(
            "stream", "-m", hybrid_model, "--fast", "-f", "json", "--head", decoder, clip
        )
        assert json.loads(done.stdout.splitlines()[-1])["decoder"] == head


def test_any_rate_and_a_name_in_unicode(parrotlet_command, spelled, tmp_path) -> None:
    (tmp_path / "Grüße").mkdir()
    path = tmp_path / "Grüße" / "日本.flac"
    soundfile.write(path, np.stack([read_audio(spelled, 44_100)] * 2, axis=1), 44_100)
    done = parrotlet_command("stream", "--fast", "--quiet", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, SPELLED, "")


def test_json(parrotlet_command, spelled) -> None:
    done = parrotlet_command(
        "stream", "--fast", "--quiet", "--format", "json", "--right-context", 1, spelled
    )
    *changes, result = [json.loads(line) for line in done.stdout.splitlines()]
    assert {change["type"] for change in changes} == {"partial"}
    words = [word for change in changes for word in change["words"]]
    assert [word["word"] for word in words] == SPELLED.split()
    times = [change["time"] for change in changes]
    assert times == sorted(times)
    assert changes[0]["unfinished"] == "p"
    assert result["type"] == "result"
    assert result["words"] == words
    assert (result["text"], result["audio"]) == (SPELLED.strip(), str(spelled))


def test_silence_is_an_empty_line(parrotlet_command, tmp_path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000), 16_000)
    done = parrotlet_command("stream", "--fast", "--quiet", "silence.wav")
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_raw_samples_on_standard_input(parrotlet_command, spelled) -> None:
    done = parrotlet_command(
        "stream", "--quiet", "-", input=raw(spelled), text=False, encoding=None
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, SPELLED.encode(), b"")


def test_half_a_sample_at_the_end(parrotlet_command, spelled) -> None:
    done = parrotlet_command(
        "stream", "--quiet", "-", input=raw(spelled) + b"\x01", text=False, encoding=None
    )
    assert (done.returncode, done.stdout) == (0, SPELLED.encode())
    assert b"half a sample" in done.stderr


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", b"no samples arrived"),
        (b"\x00", b"no samples arrived"),
        (b"RIFF....WAVE", b"this is WAV"),
        (b"fLaC" + bytes(100), b"this is FLAC"),
    ],
)
def test_standard_input_without_raw_samples(parrotlet_command, data, message) -> None:
    done = parrotlet_command("stream", "--quiet", "-", input=data, text=False, encoding=None)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"parrotlet: -: ")
    assert message in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_text_is_written_while_the_samples_arrive(start, spelled) -> None:
    process = start("--right-context", "1", "-", bufsize=0)
    samples = raw(spelled)
    half = len(samples) // 4 * 2
    process.stdin.write(samples[:half])
    # The pipe stays open, so only what is final by then can be read.
    assert process.stdout.read(1) == b"p"
    process.stdin.write(samples[half:])
    process.stdin.close()
    assert process.stdout.read() == SPELLED[1:].encode()
    assert process.wait() == 0


def test_bad_recordings(parrotlet_command, spelled, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("no recording")
    speech = read_audio(spelled, 16_000)
    speech[-1000] = np.nan
    soundfile.write(tmp_path / "nan.wav", speech, 16_000, subtype="FLOAT")
    for name, message in (("gone.wav", "no such file"), ("notes.txt", "cannot be read as audio")):
        done = parrotlet_command("stream", "--fast", "--quiet", name)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"parrotlet: {name}: {message}")
    done = parrotlet_command("stream", "--fast", "--quiet", "nan.wav")
    assert done.returncode == 1
    # What was said before is not lost.
    assert SPELLED.startswith(done.stdout.strip())
    assert len(done.stdout) > 5
    assert done.stderr == f"parrotlet: nan.wav: sample {len(speech) - 1000} is nan; " + (
        "every sample must be a finite number\n"
    )


@pytest.mark.parametrize(
    "arguments", [[], ["-", "-"], ["--mic", "a.wav"], ["a.wav", "--format", "srt"]]
)
def test_wrong_command_lines(parrotlet_command, arguments) -> None:
    done = parrotlet_command("stream", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "parrotlet" in done.stderr
    assert "Traceback" not in done.stderr


def test_options_that_the_model_does_not_have(parrotlet_command, spelled) -> None:
    done = parrotlet_command("stream", "--fast", spelled, "--right-context", 3)
    assert (done.returncode, done.stdout) == (2, "")
    assert "choose from 13, 6, 1, 0" in done.stderr


def test_model_for_whole_recordings(parrotlet_command, ctc_model, spelled) -> None:
    done = parrotlet_command("stream", "-m", ctc_model, "--fast", spelled)
    assert (done.returncode, done.stdout) == (1, "")
    assert "attends to the whole recording and was not trained to stream" in done.stderr


def test_buffered(parrotlet_command, converted, audio_dir, data_dir) -> None:
    model = converted("parakeet-unified-en-0.6b", "f32")
    arguments = ("stream", "-m", model, "--fast", audio_dir / "clip06.wav")
    expected = json.loads((data_dir / "parakeet-unified-en-0.6b" / "expected.json").read_text())
    done = parrotlet_command(*arguments, "--chunk-size", 4, "--right-context", 4)
    text = expected["clip06"]["buffered_14_4_4"]["text"]
    assert (done.returncode, done.stdout, done.stderr) == (0, text + "\n", "")
    done = parrotlet_command(*arguments, "--right-context", 5)  # in chunks of 4
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("seven three")
    done = parrotlet_command(*arguments, "--chunk-size", 0)
    assert (done.returncode, done.stdout) == (2, "")
    assert "chunk_size is 0; expected 1 to 10000 encoder frames" in done.stderr
    done = parrotlet_command("transcribe", *arguments[1:3], arguments[4], "--right-context", 4)
    assert (done.returncode, done.stdout) == (2, "")
    assert "attends to the whole recording" in done.stderr


def test_buffered_with_a_model_for_whole_recordings(
    parrotlet_command, converted, audio_dir, spelled
) -> None:
    model = converted("parakeet-tdt-0.6b-v2", "f32")
    clip = audio_dir / "clip04.wav"
    done = parrotlet_command("stream", "-m", model, "--fast", clip, "--chunk-size", 25)
    assert (done.returncode, done.stdout.startswith("open the window"), done.stderr) == (
        0,
        True,
        "",
    )
    done = parrotlet_command("stream", "--fast", spelled, "--left-context", 25)
    assert (done.returncode, done.stdout) == (2, "")
    assert "left_context is 25, but demo has chunks of right_context + 1 frames" in done.stderr


def test_utterances_end_lines(hybrid_model, audio_dir, monkeypatch, capsys) -> None:
    model = parrotlet.load(hybrid_model, threads=1)
    the = model.vocabulary.index("▁the")
    # As if the model marked the end of an utterance where it hears "the".
    monkeypatch.setattr(model._config.tokenizer, "ends", {the: "EOU"})
    monkeypatch.setattr(model_options, "load", lambda path, threads: model)
    arguments = ["stream", "-m", str(hybrid_model), "--fast", str(audio_dir / "clip04.wav")]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "open\nwindow and bring\nsmall red box\n"
    assert main([*arguments, "--format", "json"]) == 0
    *changes, result = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [change for change in changes if change["type"] == "end"]
    assert [end["kind"] for end in ends] == ["EOU", "EOU"]
    assert result["text"] == "open window and bring small red box"
    marks = [token["start"] for token in result["tokens"] if token["id"] == the]
    assert [end["time"] for end in ends] == marks


SOUNDDEVICE = '''
"""A stand-in for the package, whose microphone hears a recording once."""

import os

import soundfile


class PortAudioError(Exception):
    pass


def query_devices(kind):
    if "NO_MICROPHONE" in os.environ:
        raise PortAudioError("Error querying device -1")
    return {"default_samplerate": 48000.0}


def check_input_settings(channels, dtype, samplerate):
    if samplerate != 48000:
        raise PortAudioError("Invalid sample rate")


class InputStream:
    def __init__(self, samplerate, channels, dtype):
        assert (samplerate, channels, dtype) == (48000, 1, "float32")
        self.file = soundfile.SoundFile(os.environ["HEARD"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self, frames):
        data = self.file.read(frames, dtype="float32", always_2d=True)
        if not len(data):
            raise PortAudioError("Device unplugged")
        return data, True
'''


@pytest.fixture
def with_sounddevice(environment, spelled, tmp_path) -> dict[str, str]:
    """An environment with a microphone that records at 48 kHz only."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "sounddevice.py").write_text(SOUNDDEVICE)
    soundfile.write(tmp_path / "heard.wav", read_audio(spelled, 48_000), 48_000)
    return {
        **environment,
        "PYTHONPATH": str(tmp_path / "modules"),
        "HEARD": str(tmp_path / "heard.wav"),
    }


def test_microphone(parrotlet_command, with_sounddevice) -> None:
    done = parrotlet_command("stream", "--mic", env=with_sounddevice)
    assert done.stdout == SPELLED
    assert done.returncode == 1
    *_, listening, lost, unplugged = done.stderr.splitlines()
    assert "listening" in listening
    assert "some of the sound is lost" in lost
    assert "cannot be used (Device unplugged)" in unplugged


def test_no_microphone(parrotlet_command, with_sounddevice) -> None:
    done = parrotlet_command("stream", "-q", "--mic", env={**with_sounddevice, "NO_MICROPHONE": ""})
    assert (done.returncode, done.stdout) == (1, "")
    assert "--mic: there is no microphone (Error querying device -1)" in done.stderr


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("raise ImportError('no')", "pip install 'parrotlet[mic]'"),
        ("raise OSError('PortAudio library not found')", "install PortAudio"),
    ],
)
def test_no_package_for_the_microphone(
    parrotlet_command, with_sounddevice, tmp_path, module, message
) -> None:
    (tmp_path / "modules" / "sounddevice.py").write_text(module)
    done = parrotlet_command("stream", "--quiet", "--mic", env=with_sounddevice)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("parrotlet: --mic: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@posix
def test_interrupt_prints_what_was_said(start, spelled) -> None:
    process = start("--right-context", "1", "-", bufsize=0)
    process.stdin.write(raw(spelled))
    assert process.stdout.read(1) == b"p"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")
    assert SPELLED[1:].startswith(out.decode().rstrip("\n"))
    assert out.endswith(b"\n")


@posix
def test_a_reader_that_leaves_is_no_error(start, spelled) -> None:
    process = start("--fast", spelled, stdin=subprocess.DEVNULL)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def screen(output: str, columns: int) -> list[str]:
    """Rows that a terminal shows: a carriage return goes back to the start of a row."""
    rows = []
    for row in output.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for drawn in row.split("\r"):
            assert len(drawn) < columns, "the terminal would begin another row"
            cells[: len(drawn)] = drawn
        rows.append("".join(cells).rstrip())
    return rows


@posix
@pytest.mark.parametrize("columns", [80, 24])
def test_terminal(start, examples_dir, columns) -> None:
    import fcntl
    import pty
    import struct
    import termios

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = start(
        "--fast",
        "--right-context",
        "0",
        examples_dir / "example.wav",
        stdin=subprocess.DEVNULL,
        stdout=terminal,
    )
    os.close(terminal)
    output = b""
    while True:
        try:
            data = os.read(controller, 4096)
        except OSError:  # Linux reports the end so.
            break
        if not data:
            break
        output += data
    os.close(controller)
    assert (process.wait(), process.stderr.read()) == (0, b"")
    *rows, last = screen(output.decode(), columns)
    assert last == ""
    text = "two one five nine zero one zero six eight three six seven three"
    assert " ".join(rows) == text
    assert len(rows) == (1 if columns == 80 else 3)
    # The row was drawn several times while it grew.
    assert output.count(b"\r") > 5
