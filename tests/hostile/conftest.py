"""What tests of hostile input share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"


@pytest.fixture
def tiny_models() -> list[Path]:
    """Whole models of a few kilobytes each: offline, cache-aware, hybrid."""
    return sorted((CORPUS / "gguf").glob("model-*.gguf"))


@pytest.fixture
def run_apart() -> Callable[..., str]:
    """`run_apart(code, *arguments)`: what a Python process of its own prints.

    A process that crashes, hangs or exits with an error fails the test and not the tests.
    """

    def run(code: str, *arguments: object) -> str:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr[-2000:]}"
        return done.stdout

    return run
