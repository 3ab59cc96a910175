"""What the recordings of the fixture `talks` say, and what a command left in a folder."""

from __future__ import annotations

from pathlib import Path

SPOKEN = {
    "clip01": "the quick brown fox jumps over the lazy dog",
    "clip04": "open the window and bring the small red box",
    "clip07": "turn left at the next corner",
}

RECORD = ".parrotlet.jsonl"


def contents(folder: Path) -> dict[str, bytes]:
    """Files below a folder, without the record of what made them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / RECORD
    }
