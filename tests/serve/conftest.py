"""Servers that run, and what they are asked to transcribe."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_client import Running, serving

import parrotlet
from parrotlet.serve.settings import Limits, ServeSettings


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server with the defaults, and little patience with nobody."""
    with serving(ServeSettings(threads=2)) as running:
        yield running


@pytest.fixture
def served() -> Iterator[Callable[..., Running]]:
    """`served(limits, **settings)`: a server with other limits and settings."""
    with contextlib.ExitStack() as stack:

        def start(limits: dict[str, Any] | None = None, **settings: Any) -> Running:
            limited = Limits(**(limits or {}))
            return stack.enter_context(
                serving(ServeSettings(threads=2, limits=limited, **settings))
            )

        yield start


@pytest.fixture(scope="session")
def example(examples_dir: Path) -> Path:
    """A recording of digits, which the demo model knows."""
    return examples_dir / "example.wav"


@pytest.fixture(scope="session")
def transcribed(example: Path) -> parrotlet.Transcription:
    """What the package itself makes of it."""
    return parrotlet.load("demo", threads=2).transcribe(example)
