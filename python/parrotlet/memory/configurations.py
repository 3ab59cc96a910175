"""Configurations of models, and those that are files of the package: presets by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from parrotlet.architectures.yaml_file import parse_yaml


@dataclass(frozen=True)
class Configuration:
    """The settings of a model, in the form that some library has them.

    `name` is what the model is called, `source` what messages call the configuration; `processor`
    is the configuration of the model's processor, where one lies beside it.
    """

    values: dict[str, Any]
    name: str
    source: str
    processor: Mapping[str, Any] | None = None


class Presets:
    """The `.json` and `.yaml` files in the folder `presets` of a package, by name."""

    def __init__(self, package: str) -> None:
        """`package` is its full name."""
        self._folder = resources.files(package).joinpath("presets")

    def names(self) -> list[str]:
        """Names of all, without the suffix, sorted."""
        return sorted(file.rpartition(".")[0] for file in self._files())

    def find(self, name: str) -> Configuration | None:
        """The configuration of a name, whatever case and organisation that is given with."""
        wanted = name.rpartition("/")[2].lower().removeprefix("meta-")
        for file in self._files():
            known = file.rpartition(".")[0]
            if known == wanted:
                return Configuration(self._values(file), known, known)
        return None

    def _values(self, file: str) -> dict[str, Any]:
        data = self._folder.joinpath(file).read_bytes()
        if file.endswith(".yaml"):
            return parse_yaml(data, file)
        values: dict[str, Any] = json.loads(data)
        return values

    def _files(self) -> list[str]:
        names = (entry.name for entry in self._folder.iterdir())
        return [name for name in names if name.endswith((".json", ".yaml"))]
