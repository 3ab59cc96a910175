"""`--attention-window` of `transcribe`, `memory` and `bench`."""

import json

import pytest

MODEL, STREAMING = "parakeet-tdt-0.6b-v2-local", "nemotron-speech-streaming-en-0.6b"


@pytest.fixture
def model(converted):
    return converted(MODEL, "f32")


def test_transcribe(parrotlet_command, model, audio_dir, data_dir) -> None:
    everything = json.loads((data_dir / MODEL / "expected.json").read_text("utf-8"))
    expected = everything["clip01"]["local_8"]["tdt"]
    done = parrotlet_command(
        "transcribe", "-m", model, "--attention-window", "8", "-f", "json", audio_dir / "clip01.wav"
    )
    assert done.returncode == 0, done.stderr
    assert [token["id"] for token in json.loads(done.stdout)["tokens"]] == expected["tokens"]


def test_what_is_done_with_another_window_is_done_again(
    parrotlet_command, model, audio_dir
) -> None:
    command = ("transcribe", "-m", model, audio_dir / "clip01.wav", "-d", "out", "--resume", "-v")
    for window in ("8", "9"):
        done = parrotlet_command(*command, "--attention-window", window)
        assert done.returncode == 0, done.stderr
    assert "is made again, as it was made with another attention_window" in done.stderr


def test_a_model_without_a_choice(parrotlet_command, converted, audio_dir) -> None:
    done = parrotlet_command(
        "transcribe",
        "-m",
        converted(STREAMING, "q8_0"),
        "--attention-window",
        "8",
        audio_dir / "clip01.wav",
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "trained for chunks of attention; leave it out" in done.stderr
    assert "Traceback" not in done.stderr


def test_memory(parrotlet_command) -> None:
    done = parrotlet_command(
        "memory", "parakeet-tdt-0.6b-v2", "--seconds", "3600", "--attention-window", "256", "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["settings"]["attention_window"] == 256
    assert report["estimates"]["q8_0"]["total"] < 1.6e9


def test_bench(parrotlet_command, model) -> None:
    options = ("--attention-window", "8", "--seconds", "2", "--repeat", "1", "--json", "-q")
    done = parrotlet_command("bench", "--model", model, *options)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert run["audio_seconds"] == 2
