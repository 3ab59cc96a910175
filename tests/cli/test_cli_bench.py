"""`parrotlet bench`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parrotlet.architectures.work import STAGES

ROWS = [*(stage.replace("_", "-") for stage in STAGES), "rest", "total"]
QUICK = ("--seconds", "2", "--repeat", "1", "--threads", "1")


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line]


def test_model(parrotlet_command, ctc_model) -> None:
    done = parrotlet_command("bench", "-m", ctc_model, *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("model, q8_0; ")
    assert lines[1] == "2 s of synthetic speech, 1 thread, 1 pass"
    assert lines[2].startswith("ctc decoding, ")
    table = lines.index("")
    assert lines[table + 1].split()[:3] == ["stage", "ms", "share"]
    assert first_words("\n".join(lines[table + 2 : table + 10])) == ROWS
    assert lines[table + 11].endswith(" x real time")
    assert lines[table + 13].startswith("at most, ")
    assert lines[-1].startswith("memory, read")
    assert lines[-1].endswith("GB/s")


def test_json(parrotlet_command, hybrid_model, audio_dir) -> None:
    options = ("--head", "ctc", "--right-context", "0", "--audio", audio_dir / "clip01.wav")
    done = parrotlet_command("bench", "-m", hybrid_model, "--json", *options, *QUICK, "-r", "3")
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = json.loads(done.stdout)["runs"]
    assert (found["type"], found["decoder"], found["audio_seconds"]) == ("f32", "ctc", 2)
    assert len(found["passes"]) == 3
    assert [stage["name"] for stage in found["stages"]] == [*STAGES, "rest"]
    assert found["multiply_adds"] == sum(stage["multiply_adds"] for stage in found["stages"])
    assert found["times_real_time"] == 2 / found["seconds"]
    assert set(found["machine"]) == {"processor", "isa", "threads", "products", "memory"}


def test_a_beam_with_own_words(parrotlet_command) -> None:
    options = ("--beam", "2", "--phrases", "zero one, pittsburgh", "--phrase-weight", "0.5", "-q")
    done = parrotlet_command("bench", *options, *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2].startswith("rnnt decoding, beam of 2, 2 phrases, ")


def test_demo_is_said_to_be_small(parrotlet_command) -> None:
    done = parrotlet_command("bench", *QUICK)
    assert done.returncode == 0
    assert done.stdout.startswith("demo")
    assert "--preset parakeet-tdt-0.6b-v2 measures one of full size" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_presets(parrotlet_command, environment, tmp_path) -> None:
    environment["TMPDIR"] = str(tmp_path)
    preset = ("--preset", "parakeet_realtime_eou_120m-v1")
    done = parrotlet_command("bench", *preset, "--type", "q8_0", "f16", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "parakeet_realtime_eou_120m-v1, random weights; 2 s of synthetic speech, 1 thread, 1 pass"
    )
    assert lines[2].split() == ["stage,", "ms", "q8_0", "f16"]
    assert first_words("\n".join(lines[3:11])) == ROWS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preset", "parakeet"), "--preset parakeet: unknown; choose from parakeet-tdt-0.6b-v2,"),
        (("--type", "q8_0"), "--type is for a --preset"),
        (("--preset", "parakeet-tdt-0.6b-v2", "-m", "x.gguf"), "--preset and --model exclude"),
        (("-m", "demo", "-q", "--right-context", "5", *QUICK), "right_context is 5; demo"),
        (("--phrase-weight", "2"), "--phrase-weight needs --phrases"),
    ],
)
def test_usage_errors(parrotlet_command, options, message) -> None:
    done = parrotlet_command("bench", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"parrotlet: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--type", "q9_9"),
        ("--seconds", "0"),
        ("--seconds", "inf"),
        ("--seconds", "x"),
        ("--repeat", "0"),
        ("--threads", "0"),
        ("--beam", "0"),
    ],
)
def test_values_that_are_refused(parrotlet_command, option, value) -> None:
    done = parrotlet_command("bench", option, value)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: parrotlet bench")
    assert repr(value) in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-m", "gone.gguf"), "gone.gguf: no such file"),
        (("--preset", "parakeet-tdt-0.6b-v2", "--audio", "gone.wav"), "gone.wav: no such file"),
    ],
)
def test_files_that_fail(parrotlet_command, options, message) -> None:
    done = parrotlet_command("bench", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"parrotlet: {message}")
    assert done.stderr.count("\n") == 1


def writing(process: int) -> bool:
    """Whether the process has begun to fill a file in memory."""
    links = Path(f"/proc/{process}/fd").iterdir()
    return any("parrotlet-bench" in str(link.readlink()) and link.stat().st_size for link in links)


def measuring(process: int) -> bool:
    """Whether the process has loaded it: the packed weights are memory of its own."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    own = next((line.split()[1] for line in lines if line.startswith("RssAnon:")), "0")
    return int(own) > 100_000  # kB


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory")
@pytest.mark.parametrize("seen", [writing, measuring])
def test_interrupt(environment, tmp_path, seen) -> None:
    """While the weights are written, and while the model is loaded and run."""
    environment["TMPDIR"] = str(tmp_path)
    preset = ("--preset", "parakeet_realtime_eou_120m-v1", "--seconds", "1200")
    process = subprocess.Popen(
        [sys.executable, "-m", "parrotlet", "bench", *preset],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # a file that was closed meanwhile
            if seen(process.pid):
                break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"parrotlet: interrupted\n")
    assert list(tmp_path.iterdir()) == []
