"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to, which becomes `path` if all goes well.

    The name is hidden, and nobody else's. Whatever is raised meanwhile, `path` stays what it was,
    and nothing half written is left.
    """
    temporary = path.with_name(f".{os.urandom(8).hex()}.parrotlet.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
