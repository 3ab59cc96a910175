"""The description of metadata that a model file is both written and read by.

A family has one table: a `Key` for each key of `docs/format.md`. `entries` takes a model's sizes to
what a file says, and `read` takes that back to the values of those sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parrotlet.architectures.keys import MAX_LAYERS, MAX_SIZE, REQUIRED, GgufKeys

Entry = tuple[str, str, Any]
"""A key, how its value is stored ("u32", "f32", "bool", "str", "i32[]", "str[]"), and the value."""

Values = Mapping[str, Any]
"""What was read, by field."""


@dataclass(frozen=True)
class Check:
    """What a value has to be: `holds` decides, and `expected` says it."""

    holds: Callable[[Any], bool]
    expected: str


@dataclass(frozen=True)
class Key:
    """One key of a family: what it is called, how it is stored, and where its value lies.

    `field` is the path of the value in the sizes, such as "encoder.layers". `check` checks the
    value in the file. `when` takes the values of the keys before, and says whether this model has
    the key; if not, the value is `default` or None. A key that the model has must be there unless
    it has a `default`. `encode` turns a value of the sizes into that of the file, `decode` the
    reverse. None and empty lists are not written.
    """

    name: str
    kind: str
    field: str
    check: Check | None = None
    default: Any = REQUIRED
    when: Callable[[Values], bool] | None = None
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None

    def read(self, keys: GgufKeys) -> Any:
        """The value for the sizes. Raises ModelFileError for one that is missing or wrong."""
        if self.default is not REQUIRED and not keys.has(self.name):
            return self.default
        value = _GETTERS[self.kind](keys, self.name)
        if self.check is not None and not self.check.holds(value):
            raise keys.wrong(self.name, value, self.check.expected)
        return value if self.decode is None else self.decode(value)


_GETTERS: dict[str, Callable[[GgufKeys, str], Any]] = {
    "u32": lambda keys, name: keys.integer(name, least=0),
    "f32": lambda keys, name: keys.number(name),
    "bool": lambda keys, name: keys.flag(name),
    "str": lambda keys, name: keys.text(name),
    "i32[]": lambda keys, name: tuple(keys.integers(name, least=-(2**31))),
    "str[]": lambda keys, name: tuple(keys.texts(name)),
}


def entries(sizes: object, table: Iterable[Key]) -> list[Entry]:
    """What a file says of `sizes`; names are without the architecture's prefix."""
    found: list[Entry] = []
    values: dict[str, Any] = {}
    for key in table:
        if key.when is not None and not key.when(values):
            continue
        value = values[key.field] = _field(sizes, key.field)
        if value is not None and value != ():
            found.append((key.name, key.kind, key.encode(value) if key.encode else value))
    return found


def _field(sizes: Any, path: str) -> Any:
    """The value at a path; None where a part on the way is None."""
    for part in path.split("."):
        if sizes is None:
            return None
        sizes = getattr(sizes, part)
    return sizes


def read(keys: GgufKeys, table: Iterable[Key]) -> dict[str, Any]:
    """What a file says, by field. Raises ModelFileError for what is missing or makes no sense."""
    values: dict[str, Any] = {}
    for key in table:
        if key.when is None or key.when(values):
            values[key.field] = key.read(keys)
        else:
            values[key.field] = None if key.default is REQUIRED else key.default
    return values


def part(values: Values, path: str) -> dict[str, Any]:
    """The values of one part of the sizes, such as "encoder", by name."""
    prefix = f"{path}."
    names = {field: field.removeprefix(prefix) for field in values if field.startswith(prefix)}
    return {name: values[field] for field, name in names.items() if "." not in name}


# Checks -------------------------------------------------------------------------------------


SIZE = Check(lambda value: 1 <= value <= MAX_SIZE, "a positive number that a model can have")

LAYERS = Check(lambda value: 1 <= value <= MAX_LAYERS, f"1 to {MAX_LAYERS} layers")


def at_least(least: int) -> Check:
    """A whole number from `least`."""
    return Check(lambda value: bool(value >= least), f"a whole number of at least {least}")


def between(least: int, most: int, unit: str) -> Check:
    """A number from `least` to `most`."""
    return Check(lambda value: bool(least <= value <= most), f"{least} to {most} {unit}")


def one_of(*texts: str) -> Check:
    """One of some texts."""
    return Check(lambda value: value in texts, " or ".join(texts))


def distinct(texts: Collection[str]) -> Check:
    """A list of some of `texts`, none of them twice, at least one."""
    return Check(
        lambda value: bool(value) and len(set(value)) == len(value) and set(value) <= set(texts),
        f"some of {', '.join(texts)}",
    )


def flattened(pairs: Sequence[Sequence[int]]) -> list[int]:
    """(left, right) pairs as the flat list that a file has."""
    return [frames for pair in pairs for frames in pair]


def paired(values: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The (left, right) pairs of a flat list."""
    return tuple(zip(values[::2], values[1::2], strict=True))
