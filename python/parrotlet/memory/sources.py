"""What a model is described by: a file of some kind, or the name of a preset."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from parrotlet import _core, conversion, hub
from parrotlet.architectures import FAMILIES, Sizes, optional_part, sizes_in
from parrotlet.architectures.configured import PROCESSORS
from parrotlet.architectures.nemo import class_name
from parrotlet.architectures.yaml_file import parse_yaml
from parrotlet.errors import CheckpointError, ParrotletError, UnsupportedModelError
from parrotlet.memory import hf
from parrotlet.memory.configurations import Configuration
from parrotlet.memory.subjects import FamilyPlanner, Planner, Subject
from parrotlet.model_files import DEMO, GGUF_MAGIC, demo_path, foreign_project, magic_of


@cache
def _families() -> dict[str, FamilyPlanner[Any]]:
    """Who plans the models of an architecture, by its name; found when they are first asked for."""
    return {
        family.name: planned.PLANNER
        for family in FAMILIES
        if (planned := optional_part(family.name, "memory")) is not None
    }


def _planners() -> tuple[Planner, ...]:
    """Who is asked, one after the other, whether they know a configuration or a name."""
    return (
        *_families().values(),
        hf.PLANNER,  # models that this runtime does not run
    )


def detect(values: Mapping[str, Any], source: str = "the configuration") -> str:
    """The kind of model a configuration describes: "transducer", "ctc", "encoder-decoder",
    "audio-llm" or "decoder-only". Raises UnsupportedModelError if it is none of them."""
    return _planner(values, source).kind(values, source)


def _planner(values: Mapping[str, Any], source: str) -> Planner:
    nemo_class = class_name(str(values.get("target", "")))
    for family in FAMILIES:
        if nemo_class in family.nemo_classes and family.name in _families():
            return _families()[family.name]
    for planner in _planners():
        if planner.kind(values, source):
            return planner
    wanted = ", ".join(planner.recognises for planner in _planners() if planner.recognises)
    raise UnsupportedModelError(f"{source}: not a configuration of a known kind: {wanted}")


def find(model: str | os.PathLike[str] | Mapping[str, Any]) -> Subject:
    """Find out what `model` is, and read its configuration.

    Raises CheckpointError or ModelFileError for a file that is damaged or incomplete and
    UnsupportedModelError for one that describes no model we know, or no file and no preset, and
    HubError if it is the name of a repository of which nothing can be fetched.
    """
    if isinstance(model, Mapping):
        return _configured(Configuration(dict(model), "configuration", "the configuration"))
    path = Path(os.fspath(model))
    if path.is_dir():
        path = path / "config.json"
    if not path.exists():
        return _preset(os.fspath(model), hub.repository(model))
    return _file(path)


def preset_names() -> list[str]:
    """Every preset by name."""
    return sorted({DEMO, *(name for planner in _planners() for name in planner.preset_names())})


def _preset(name: str, repository: hub.Repository | None) -> Subject:
    """What is known by a name here, or else a repository of the hub."""
    wanted = name.rpartition("/")[2]
    if wanted == DEMO:
        return _gguf(demo_path())
    for planner in _planners():
        subject = planner.preset(name)
        if subject is not None:
            return subject
    if repository is not None:
        return _repository(repository)
    close = difflib.get_close_matches(wanted.lower(), preset_names(), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise UnsupportedModelError(
        f"{name}: no such file, and no preset of that name{hint}; presets: "
        + ", ".join(preset_names())
    )


def _repository(repository: hub.Repository) -> Subject:
    """What a repository of the hub holds, as the first of its files says that is understood."""
    problem: ParrotletError = UnsupportedModelError(f"{repository}: holds no model that is known")
    for path in hub.descriptions(repository):
        try:
            return _file(path, repository.name)
        except (CheckpointError, UnsupportedModelError) as error:
            problem = error
    raise problem


def _file(path: Path, repository: str | None = None) -> Subject:
    """Read a file; the configuration of a `repository` is called after that."""
    if magic_of(path) == GGUF_MAGIC and foreign_project(path) is None:
        return _gguf(path)
    name = path.parent.name if path.name == "config.json" and path.parent.name else path.stem
    name = repository or name
    if path.suffix == ".json":
        found = Configuration(_json(path), name, str(path), _processor(path.parent))
        return _configured(found)
    if path.suffix in (".yaml", ".yml"):
        values = parse_yaml(path.read_bytes(), str(path))
        return _configured(Configuration(values, name, str(path)))
    return _sized(conversion.describe(path), path.stem, path)


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: is not a mapping of settings")
    return values


def _processor(directory: Path) -> dict[str, Any] | None:
    """The configuration of the feature extractor that lies beside a `config.json`."""
    for name in PROCESSORS:
        if (directory / name).is_file():
            values = _json(directory / name)
            if "feature_extractor" in values or "feature_size" in values:
                return values
    return None


def _configured(configuration: Configuration) -> Subject:
    planner = _planner(configuration.values, configuration.source)
    return planner.configured(configuration)


def _gguf(path: Path) -> Subject:
    file = _core.GgufFile(str(path))
    stored = {tensor.name: tensor.type for tensor in file.tensors}
    name = str(file.metadata.get("general.name") or path.stem)
    return _sized(sizes_in(file), name, path, stored)


def _sized(sizes: Sizes, name: str, path: Path, stored: Mapping[str, str] | None = None) -> Subject:
    """The model of a file; raises UnsupportedModelError if nobody plans its architecture."""
    planner = _families().get(sizes.architecture)
    if planner is None:
        raise UnsupportedModelError(
            f"{path}: the memory of a model of the architecture {sizes.architecture!r} cannot be "
            f"planned; planned are {' and '.join(_families())}"
        )
    return planner.sized(sizes, name, str(path), stored)
