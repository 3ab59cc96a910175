"""Models of published architectures with random weights."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from parrotlet import conversion
from parrotlet.architectures import preset_sizes
from parrotlet.errors import ParrotletError
from parrotlet.machine import free_bytes
from parrotlet.progress import ShareProgress

COPIES = 3
"""Memory to have free for a file in memory and the model loaded from it, by the file's size."""


def preset_names() -> list[str]:
    """Architectures that `random_model` knows, by the names of the checkpoints that have them."""
    return list(preset_sizes())


@contextlib.contextmanager
def random_model(preset: str, type: str, progress: ShareProgress | None = None) -> Iterator[Path]:
    """A model file of an architecture's true shapes with random weights; gone at the end.

    It lies in memory where the system has files there (Linux) and there is enough, and else where
    `tempfile` puts things ($TMPDIR). Raises ValueError for an unknown preset or type, and
    ParrotletError if there is no room for it.
    """

    def written(done: int, total: int, name: str) -> None:
        if progress is not None:
            progress(done / total, f"random weights: {name}")

    needed = conversion.synthetic_bytes(preset, type)
    with contextlib.ExitStack() as stack:
        if COPIES * needed < free_memory():
            path, in_place = stack.enter_context(_file_in_memory(preset)), True
        else:
            directory = stack.enter_context(_directory_with_room(needed, f"{preset} in {type}"))
            path, in_place = directory / f"{preset}-{type}.gguf", False
        yield conversion.synthesize(preset, path, type, progress=written, in_place=in_place)


def free_memory() -> int:
    """Bytes of memory that a file could take; 0 where there are no files in memory."""
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        return 0
    return free_bytes()


@contextlib.contextmanager
def _file_in_memory(name: str) -> Iterator[Path]:
    """Name of an empty file that exists as long as the context."""
    descriptor = os.memfd_create(f"parrotlet-bench-{name}")
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _directory_with_room(needed: int, what: str) -> Iterator[Path]:
    """A directory that exists as long as the context."""
    with tempfile.TemporaryDirectory(prefix="parrotlet-bench-") as directory:
        free = shutil.disk_usage(directory).free
        if needed > free:
            raise ParrotletError(
                f"{tempfile.gettempdir()}: random weights of {what} take {needed / 1e9:.2f} GB "
                f"and {free / 1e9:.2f} GB are free, there and in memory is not enough either; "
                "set TMPDIR to a directory with room"
            )
        yield Path(directory)
