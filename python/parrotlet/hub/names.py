"""Names of models on the hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(
    rf"(?P<id>{_PART}/{_PART})(?:@(?P<revision>[\w./-]+))?(?::(?P<file>[\w.+-][\w./+ -]*))?"
)

# A path with one of these is meant as a file, and mistyped if it does not exist.
_FILES = (".gguf", ".nemo", ".pt", ".ckpt", ".safetensors", ".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Repository:
    """A repository of the hub: "org/name", a branch, tag or commit, and perhaps a file in it."""

    id: str
    revision: str = "main"
    file: str | None = None

    @property
    def name(self) -> str:
        """The part after the slash."""
        return self.id.rpartition("/")[2]

    def __str__(self) -> str:
        """As `repository` reads it."""
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{self.id}{revision}" + (f":{self.file}" if self.file else "")


def repository(path: str | os.PathLike[str]) -> Repository | None:
    """Return what `path` names on the hub, or None if it is a file of this machine.

    "org/name", "org/name@revision" and "org/name:file" are names on the hub unless such a path
    exists, or what follows the slash ends like the name of a model file.
    """
    if not isinstance(path, str):
        return None
    found = _NAME.fullmatch(path)
    if found is None or found["id"].endswith(_FILES) or Path(path).exists():
        return None
    if ".." in (found["file"] or "").split("/") or ".." in (found["revision"] or ""):
        return None
    return Repository(found["id"], found["revision"] or "main", found["file"])
