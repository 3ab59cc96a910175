"""What a Python process with the package needs before a model is loaded."""

from __future__ import annotations

FIRST_USE = 5_000_000
"""Bytes of code and tables that the libraries touch when the first recording is transcribed,
measured on Linux (x86-64): they are read from files and appear when they are used."""

TYPICAL = 60_000_000
"""Peak resident bytes of a process that has imported the package and what reads recordings,
measured on Linux (x86-64)."""


def typical_process() -> int:
    """Bytes of a process that has imported the package and used it once, as it typically is."""
    return TYPICAL + FIRST_USE
