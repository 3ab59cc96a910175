"""The scripts in `bench/`, run as they are from a command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
TEXTS = {
    "example.wav": "two one five nine zero one zero six eight three six seven three",
    "spelled.wav": "p i t t s b u r g h",
}
"""What is spoken in `examples/`, and what the demo model makes of it."""


@pytest.fixture
def script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`script(name, *arguments)`: run a script."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(BENCH / name), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)

    return run


@pytest.fixture
def spoken() -> dict[str, str]:
    """The texts of `examples/`, by the name of the file."""
    return TEXTS


@pytest.fixture
def manifest(tmp_path: Path, examples_dir: Path) -> Path:
    """A manifest of both recordings; one text has a word more than is spoken."""
    path = tmp_path / "digits" / "manifest.jsonl"
    path.parent.mkdir()
    lines = [
        {"audio_filepath": str(examples_dir / name), "text": text} for name, text in TEXTS.items()
    ]
    lines[0]["text"] += " four"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
