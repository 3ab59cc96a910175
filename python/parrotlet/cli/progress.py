"""Following work on a model file with a progress bar."""

from __future__ import annotations

from parrotlet.cli.console import Bar
from parrotlet.progress import FileProgress


def following(bar: Bar, work: str = "converting") -> FileProgress:
    """Return what `convert` and `load` take as `progress`, to move a bar from 0 to 1.

    `work` is what is done to a tensor.
    """

    def progress(done: int, total: int, name: str) -> None:
        label = name if name.startswith("fetching ") else f"{work} {name}"
        bar.update(done / max(total, 1), label)

    return progress
