"""Settings of a file, read key by key: typed values, and errors that name the key.

`Keys` has the getters. `Section` is a configuration that somebody wrote, and `GgufKeys` the
metadata of a model file; they differ in where a key lies and in what an error says.
"""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from parrotlet.errors import CheckpointError, ModelFileError, ParrotletError

MAX_INTEGER = 2**31 - 1
"""The largest whole number that the runtime holds."""

MAX_SIZE = 2**30 - 1
"""No size is as large, and sums of two fit the runtime's 32 bits."""

MAX_LAYERS = 1024
"""No model has more layers of a kind."""

MAX_FLOAT = 3e38
"""What a float32 holds, and neither infinite nor NaN."""

MAX_REFERENCES = 8  # from one key to the next

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")

REQUIRED: Any = object()
"""The default of a key that has to be there."""

Names = str | tuple[str, ...]
"""A key, or the names that it may have, the usual one first."""


class Keys(ABC):
    """A mapping of settings, read by type.

    A getter takes a key and a default. Without one, or with None, the key is required. An explicit
    null counts as absent.
    """

    def __init__(self, values: Mapping[Any, Any], file: str, most: int = MAX_INTEGER) -> None:
        """`file` is what messages call the source of `values`, `most` the largest whole number."""
        self.values = values
        self.file = file
        self._most = most

    @abstractmethod
    def name(self, key: str) -> str:
        """The full path of a key, as messages give it."""

    @abstractmethod
    def missing(self, names: tuple[str, ...], null: bool, expected: str) -> ParrotletError:
        """The error for a key that is not there, or is null."""

    @abstractmethod
    def wrong(self, key: str, value: Any, expected: str) -> ParrotletError:
        """The error for a value that is not what is expected."""

    def _raw(self, key: str) -> tuple[bool, Any]:
        """Whether a key is written down, and its value."""
        return key in self.values, self.values.get(key)

    def __contains__(self, key: str) -> bool:
        """Whether the key is written down, be it as null."""
        return self._raw(key)[0]

    def has(self, *names: str) -> bool:
        """Whether one of the keys is there and not null."""
        return any(self._raw(name)[1] is not None for name in names)

    def value(self, key: str, default: Any = REQUIRED) -> Any:
        """The raw value; an explicit null is None."""
        there, value = self._raw(key)
        if there:
            return value
        if default is REQUIRED:
            raise self.missing((key,), False, "a value")
        return default

    def integer(self, key: Names, default: Any = REQUIRED, *, least: int = 1) -> int:
        """A whole number from `least`."""
        expected = f"a whole number of at least {least}"
        value, found = self._given(key, default, expected)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not least <= value <= self._most:
            raise self.wrong(found, value, expected)
        return value

    def number(self, key: Names, default: Any = REQUIRED, *, least: float | None = None) -> float:
        """A number that a float32 can hold, from `least` if that is given."""
        expected = "a number" if least is None else f"a number from {least:g}"
        value, found = self._given(key, default, expected)
        if isinstance(value, str):  # YAML 1.1 takes 1e-5 for a string
            with contextlib.suppress(ValueError):
                value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(found, value, expected)
        if not abs(value) < MAX_FLOAT:
            raise self.wrong(found, value, "a finite number")
        if least is not None and value < least:
            raise self.wrong(found, value, expected)
        return float(value)

    def flag(self, key: Names, default: Any = REQUIRED) -> bool:
        """Either true or false."""
        value, found = self._given(key, default, "true or false")
        if not isinstance(value, bool):
            raise self.wrong(found, value, "true or false")
        return value

    def text(self, key: Names, default: Any = REQUIRED) -> str:
        """A string."""
        value, found = self._given(key, default, "text")
        if not isinstance(value, str):
            raise self.wrong(found, value, "text")
        return value

    def items(self, key: Names, default: Any = REQUIRED) -> list[Any]:
        """A list of any values."""
        value, found = self._given(key, default, "a list")
        if not isinstance(value, (list, tuple)):
            raise self.wrong(found, value, "a list")
        return list(value)

    def integers(self, key: Names, count: int | None = None, *, least: int = 0) -> list[int]:
        """A list of whole numbers from `least`, of `count` where that is given."""
        numbers = "whole numbers" if count is None else f"{count} whole numbers"
        value, found = self._given(key, REQUIRED, f"a list of {numbers}")
        good = isinstance(value, (list, tuple)) and all(
            type(n) is int and n >= least for n in value
        )
        if not good or (count is not None and len(value) != count):
            raise self.wrong(found, value, f"a list of {numbers}")
        return list(value)

    def texts(self, key: Names) -> list[str]:
        """A list of strings."""
        value, found = self._given(key, REQUIRED, "a list of texts")
        if not isinstance(value, (list, tuple)) or not all(isinstance(x, str) for x in value):
            raise self.wrong(found, value, "a list of texts")
        return list(value)

    def _given(self, key: Names, default: Any, expected: str) -> tuple[Any, str]:
        """A value, or the default where it is null or absent, and the name that the key has."""
        names = (key,) if isinstance(key, str) else key
        null = False
        for name in names:
            there, value = self._raw(name)
            if value is not None:
                return value, name
            null = null or there
        if default is REQUIRED or default is None:
            raise self.missing(names, null, expected)
        return default, names[0]


class Section(Keys):
    """A mapping of a configuration, such as `model_config.yaml`; errors are CheckpointErrors.

    The file is what OmegaConf writes: a value may be "${another.key}".
    """

    def __init__(
        self,
        values: Mapping[Any, Any],
        path: str = "",
        root: Any = None,
        file: str = "model_config.yaml",
        most: int = MAX_INTEGER,
        place: str | None = None,
    ) -> None:
        """`path` is where `values` lies in `root`, the whole configuration in `file`; `place` is
        where a key that is missing was looked for, unless that is the file."""
        super().__init__(values, file, most)
        self._path = path
        self._root = values if root is None else root
        self._place = place or file

    def name(self, key: str) -> str:
        """The full path of a key, as messages give it."""
        return f"{self._path}.{key}" if self._path else key

    def missing(self, names: tuple[str, ...], null: bool, expected: str) -> ParrotletError:
        """The error for a key that is not there, or is null."""
        wanted = " or ".join(repr(self.name(name)) for name in names)
        lacks = "value for" if null else "key"
        return CheckpointError(f"{self._place} has no {lacks} {wanted}")

    def wrong(self, key: str, value: Any, expected: str) -> ParrotletError:
        """The error for a value that is not what is expected."""
        return CheckpointError(
            f"{self.file}: {self.name(key)} must be {expected}, not {shortened(value)}"
        )

    def replaced(self, values: Mapping[Any, Any]) -> Section:
        """The same place with other values."""
        return Section(values, self._path, self._root, self.file, self._most, self._place)

    def section(self, key: str, *, optional: bool = False) -> Section:
        """A nested mapping; an optional one that is absent is empty."""
        value, found = self._given(key, {} if optional else REQUIRED, "a mapping")
        if not isinstance(value, Mapping):
            raise self.wrong(found, value, "a mapping")
        return Section(value, self.name(key), self._root, self.file, self._most, self._place)

    def divisor(self, key: str, of: str) -> int:
        """A whole number from 1 that divides the whole number `of`."""
        value, whole = self.integer(key), self.integer(of)
        if whole % value:
            raise CheckpointError(
                f"{self.file}: {self.name(of)} is {whole}, which does not divide among "
                f"{self.name(key)} = {value}"
            )
        return value

    def items(self, key: Names, default: Any = REQUIRED) -> list[Any]:
        """A list of any values."""
        name = key if isinstance(key, str) else key[0]
        return [self._resolved(item, self.name(name)) for item in super().items(key, default)]

    def _raw(self, key: str) -> tuple[bool, Any]:
        if key not in self.values:
            return False, None
        return True, self._resolved(self.values[key], self.name(key))

    def _resolved(self, value: Any, name: str) -> Any:
        for _ in range(MAX_REFERENCES):
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


def size_section(values: Mapping[Any, Any], source: str, path: str = "") -> Section:
    """A configuration of which sizes are asked; `source` is what messages call it."""
    place = f"{source}: the configuration"
    return Section(values, path, file=source, most=MAX_SIZE, place=place)


class GgufKeys(Keys):
    """The keys of an architecture in the metadata of a model file; errors are ModelFileErrors."""

    def __init__(self, metadata: Mapping[str, Any], path: str | Path) -> None:
        """`metadata` are all keys of the file; those read have the architecture's prefix."""
        super().__init__(metadata, str(path))
        self._prefix = f"{metadata.get('general.architecture')}."

    def name(self, key: str) -> str:
        """The full name of a key."""
        return self._prefix + key

    def missing(self, names: tuple[str, ...], null: bool, expected: str) -> ParrotletError:
        """The error for a key that is not there."""
        wanted = " or ".join(map(self.name, names))
        return self._error(f"{wanted} is missing; expected {expected}")

    def wrong(self, key: str, value: Any, expected: str) -> ParrotletError:
        """The error for a value that is not what is expected."""
        return self._error(f"{self.name(key)} is {value!r:.40}; expected {expected}")

    def _error(self, problem: str) -> ParrotletError:
        return ModelFileError(f"{self.file}: {problem}; convert the checkpoint again")

    def _raw(self, key: str) -> tuple[bool, Any]:
        return super()._raw(self.name(key))


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
