"""Configurations of published models by name, as files in the form they are published in.

A `.json` is a Hugging Face `config.json` without what does not bear on memory; `_source` says where
its values come from. A `.yaml` is a NeMo `model_config.yaml` or an LMU configuration.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def names() -> list[str]:
    """Names of all presets that are files here, sorted."""
    return sorted(entry.rpartition(".")[0] for entry in _files())


def find(name: str) -> str | None:
    """The file of a preset, whatever case and organisation its name is given with."""
    wanted = name.rpartition("/")[2].lower().removeprefix("meta-")
    return next((file for file in _files() if file.rpartition(".")[0] == wanted), None)


def read(file: str) -> bytes:
    """The contents of a file that `find` returned."""
    return resources.files(__name__).joinpath(file).read_bytes()


def load_json(file: str) -> dict[str, Any]:
    """A preset that is a `config.json`."""
    values: dict[str, Any] = json.loads(read(file))
    return values


def _files() -> list[str]:
    entries = resources.files(__name__).iterdir()
    return [entry.name for entry in entries if entry.name.endswith((".json", ".yaml"))]
