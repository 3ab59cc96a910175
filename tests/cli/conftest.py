"""Running the command as a person does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment without a default model, and in UTF-8."""
    kept = {name: value for name, value in os.environ.items() if name != "PARROTLET_MODEL"}
    return {**kept, "PYTHONUTF8": "1", "COLUMNS": "120"}


@pytest.fixture
def parrotlet_command(environment: dict[str, str], tmp_path: Path) -> Run:
    """`parrotlet_command(*arguments)`: run `python -m parrotlet` in an empty directory."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        settings: dict[str, object] = {
            "capture_output": True,
            "text": True,
            "encoding": "utf-8",
            "env": environment,
            "cwd": tmp_path,
            "timeout": 300,
            **options,
        }
        command = [sys.executable, "-m", "parrotlet", *map(str, arguments)]
        return subprocess.run(command, check=False, **settings)  # type: ignore[call-overload]

    return run


@pytest.fixture
def ctc_model(converted: Callable[[str, str], Path]) -> Path:
    return converted("parakeet-ctc-0.6b", "q8_0")


@pytest.fixture
def hybrid_model(converted: Callable[[str, str], Path]) -> Path:
    return converted("stt_en_fastconformer_hybrid_large_streaming_multi", "f32")


@pytest.fixture
def talks(tmp_path: Path, audio_dir: Path) -> Path:
    """A folder with recordings at two levels, and other things."""
    talks = tmp_path / "talks"
    (talks / "late").mkdir(parents=True)
    (talks / ".hidden").mkdir()
    shutil.copy(audio_dir / "clip01.wav", talks / "b.wav")
    shutil.copy(audio_dir / "clip04.wav", talks / "A.WAV")
    shutil.copy(audio_dir / "clip07.wav", talks / "late" / "b.wav")
    shutil.copy(audio_dir / "clip07.wav", talks / ".hidden" / "c.wav")
    (talks / "notes.txt").write_text("no recording")
    return talks


@pytest.fixture
def spelled(examples_dir: Path) -> Path:
    return examples_dir / "spelled.wav"


@pytest.fixture
def start(environment, tmp_path):
    """`start(*arguments)`: a running `parrotlet stream --quiet`; it does not outlive the test."""
    processes = []

    def start(*arguments, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "parrotlet", "stream", "--quiet", *map(str, arguments)],
            **{
                "stdin": subprocess.PIPE,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "env": environment,
                "cwd": tmp_path,
                **options,
            },
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with process:
            process.kill()
