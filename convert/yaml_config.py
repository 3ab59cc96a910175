"""A configuration, such as `model_config.yaml`, as typed values, with errors that name the key.

The file is what OmegaConf writes: plain YAML, where a value may be "${another.key}".
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..errors import CheckpointError

MAX_DEPTH = 64
MAX_INTEGER = 2**31 - 1

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_REQUIRED: Any = object()


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


class Section:
    """A mapping of the configuration, read by type.

    Every getter takes a key and a default; without one (or with None) the key is required. An
    explicit null counts as absent. CheckpointError names the full path of a key that is missing
    or wrong.
    """

    def __init__(
        self,
        values: Mapping[Any, Any],
        path: str = "",
        root: Any = None,
        file: str = "model_config.yaml",
    ) -> None:
        """`path` is where `values` lies in `root`, the whole configuration in `file`."""
        self._values = values
        self._path = path
        self._root = values if root is None else root
        self.file = file

    def __contains__(self, key: str) -> bool:
        """Whether the key is written down, be it as null."""
        return key in self._values

    def name(self, key: str) -> str:
        """The full path of a key, as messages give it."""
        return f"{self._path}.{key}" if self._path else key

    def value(self, key: str, default: Any = _REQUIRED) -> Any:
        """The raw value; an explicit null is None."""
        if key in self._values:
            return self._resolved(self._values[key], self.name(key))
        if default is _REQUIRED:
            raise CheckpointError(f"{self.file} has no key {self.name(key)!r}")
        return default

    def section(self, key: str, *, optional: bool = False) -> Section:
        """A nested mapping; an optional one that is absent is empty."""
        value = self.value(key, {} if optional else _REQUIRED)
        if value is None and optional:
            value = {}
        if not isinstance(value, dict):
            raise self._wrong(key, value, "a mapping")
        return Section(value, self.name(key), self._root, self.file)

    def integer(self, key: str, default: Any = _REQUIRED, *, least: int = 1) -> int:
        """A whole number from `least` to 2^31 - 1."""
        value = self._given(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not least <= value <= MAX_INTEGER:
            raise self._wrong(key, value, f"a whole number of at least {least}")
        return value

    def number(self, key: str, default: Any = _REQUIRED) -> float:
        """A finite number that a float32 can hold."""
        value = self._given(key, default)
        if isinstance(value, str):  # YAML 1.1 takes 1e-5 for a string
            with contextlib.suppress(ValueError):
                value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(key, value, "a number")
        if not abs(value) < 3e38:  # float32, and neither infinite nor NaN
            raise self._wrong(key, value, "a finite number")
        return float(value)

    def flag(self, key: str, default: Any = _REQUIRED) -> bool:
        """Either true or false."""
        value = self._given(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        """A string."""
        value = self._given(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "text")
        return value

    def items(self, key: str, default: Any = _REQUIRED) -> list[Any]:
        """A list of any values."""
        value = self._given(key, default)
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return [self._resolved(item, self.name(key)) for item in value]

    def _given(self, key: str, default: Any) -> Any:
        value = self.value(key, default)
        if value is not None:
            return value
        if default is _REQUIRED or default is None:
            raise CheckpointError(f"{self.file} has no value for {self.name(key)!r}")
        return default

    def _wrong(self, key: str, value: Any, expected: str) -> CheckpointError:
        return CheckpointError(
            f"{self.file}: {self.name(key)} must be {expected}, not {shortened(value)}"
        )

    def _resolved(self, value: Any, name: str) -> Any:
        for _ in range(8):
            reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if reference is None:
                return value
            value = self._lookup(reference.group(1), name)
        raise CheckpointError(f"{self.file}: {name} refers to itself")

    def _lookup(self, path: str, name: str) -> Any:
        for candidate in _spellings(path):
            value = self._root
            for part in candidate.split("."):
                if not isinstance(value, dict) or part not in value:
                    break
                value = value[part]
            else:
                return value
        raise CheckpointError(f"{self.file}: {name} refers to a missing key {path!r}")


def _spellings(path: str) -> Iterator[str]:
    """A training configuration keeps the model under "model."; a checkpoint has it at the top."""
    yield path
    if path.startswith("model."):
        yield path.removeprefix("model.")


def shortened(value: Any) -> str:
    """A value for a message: short, and containers by type only."""
    if isinstance(value, (dict, list)):  # nested aliases could print without end
        return f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
