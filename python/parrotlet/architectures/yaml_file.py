"""A configuration in YAML, such as `model_config.yaml`, as a mapping."""

from __future__ import annotations

from typing import Any

import yaml

from parrotlet.errors import CheckpointError

MAX_DEPTH = 64

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(data: bytes, name: str) -> dict[str, Any]:
    """The mapping in a YAML file. Raises CheckpointError naming `name` if it is not one."""
    try:
        _check_structure(data, name)
        value = yaml.load(data, Loader=_Loader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{name} is not valid YAML ({reason})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{name} is not a mapping of settings")
    return value


def _check_structure(data: bytes, name: str) -> None:
    """Refuse what would take the loader down: deep nesting overflows the C stack of libyaml's
    composer, and merge keys can grow exponentially. Neither is in a configuration."""
    depth = 0
    for event in yaml.parse(data, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            raise CheckpointError(f"{name} uses YAML merge keys, which NeMo does not write")
        if depth > MAX_DEPTH:
            raise CheckpointError(f"{name} is nested deeper than any configuration")
