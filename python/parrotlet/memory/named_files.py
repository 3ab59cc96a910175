"""Presets that are files beside a package: a configuration in the form it is published in."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


class NamedFiles:
    """The `.json` and `.yaml` files in the folder `presets` of a package, by name."""

    def __init__(self, package: str) -> None:
        """`package` is its full name."""
        self._folder = resources.files(package).joinpath("presets")

    def names(self) -> list[str]:
        """Names of all, without the suffix, sorted."""
        return sorted(file.rpartition(".")[0] for file in self._files())

    def find(self, name: str) -> str | None:
        """The file of a name, whatever case and organisation that is given with."""
        wanted = name.rpartition("/")[2].lower().removeprefix("meta-")
        return next((file for file in self._files() if file.rpartition(".")[0] == wanted), None)

    def read(self, file: str) -> bytes:
        """The contents of a file that `find` returned."""
        return self._folder.joinpath(file).read_bytes()

    def json(self, file: str) -> dict[str, Any]:
        """The mapping in a `.json` file that `find` returned."""
        values: dict[str, Any] = json.loads(self.read(file))
        return values

    def _files(self) -> list[str]:
        names = (entry.name for entry in self._folder.iterdir())
        return [name for name in names if name.endswith((".json", ".yaml"))]
