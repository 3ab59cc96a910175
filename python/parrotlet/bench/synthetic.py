"""Models of published architectures with random weights."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from parrotlet.errors import ParrotletError

Progress = Callable[[float, str], None]
"""Called with the share that is done, from 0 to 1, and what is being done."""


def preset_names() -> list[str]:
    """Architectures that `random_model` knows, by the names of the checkpoints that have them."""
    # Imported here and below: making files needs packages that transcribing does not.
    from parrotlet._convert.presets import PRESETS

    return list(PRESETS)


@contextlib.contextmanager
def random_model(preset: str, type: str, progress: Progress | None = None) -> Iterator[Path]:
    """A model file of an architecture's true shapes with random weights; removed at the end.

    It lies where `tempfile` puts things ($TMPDIR). Raises ValueError for an unknown preset or type,
    and ParrotletError if there is no room for it.
    """
    from parrotlet._convert.synthetic import planned_bytes, synthesize

    needed = planned_bytes(preset, type)
    with tempfile.TemporaryDirectory(prefix="parrotlet-bench-") as directory:
        free = shutil.disk_usage(directory).free
        if needed > free:
            raise ParrotletError(
                f"{tempfile.gettempdir()}: random weights of {preset} in {type} take "
                f"{needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free; set TMPDIR to a "
                "directory with room"
            )

        def written(done: int, total: int, name: str) -> None:
            if progress is not None:
                progress(done / total, f"random weights: {name}")

        path = Path(directory) / f"{preset}-{type}.gguf"
        yield synthesize(preset, path, type, progress=written)
