"""A configuration read key by key, with errors that say which key is missing or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parrotlet._convert.config import Features
from parrotlet.errors import CheckpointError

MOST = 2**30
"""No size is as large, and sums of two fit the runtime's 32 bits."""


class Keys:
    """A mapping of a configuration.

    A getter takes the names that a key has, the usual one first, and perhaps a default; without
    one, an absent key (or a null) is a CheckpointError with its full path.
    """

    def __init__(self, values: Mapping[str, Any], source: str, path: str = "") -> None:
        """`source` names the file in messages, `path` the place of `values` in it."""
        self.values = values
        self.source = source
        self._path = path

    def name(self, key: str) -> str:
        """The full path of a key."""
        return f"{self._path}.{key}" if self._path else key

    def has(self, *names: str) -> bool:
        """Whether one of the keys is there and not null."""
        return any(self.values.get(name) is not None for name in names)

    def section(self, *names: str) -> Keys:
        """A nested mapping."""
        value, key = self._get(names, None)
        if not isinstance(value, Mapping):
            raise self._wrong(key, value, "a mapping")
        return Keys(value, self.source, self.name(key))

    def integer(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """A whole number, at least `least`."""
        value, key = self._get(names, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not least <= value < MOST:
            raise self._wrong(key, value, f"a whole number of at least {least}")
        return value

    def divisor(self, key: str, of: str) -> int:
        """A whole number from 1 that divides the whole number `of`."""
        value, whole = self.integer(key), self.integer(of)
        if whole % value:
            raise CheckpointError(
                f"{self.source}: {self.name(of)} is {whole}, which does not divide among "
                f"{self.name(key)} = {value}"
            )
        return value

    def number(self, *names: str, default: float | None = None) -> float:
        """A number from 0."""
        value, key = self._get(names, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e30:
            raise self._wrong(key, value, "a number from 0")
        return float(value)

    def flag(self, *names: str, default: bool | None = None) -> bool:
        """Either true or false."""
        value, key = self._get(names, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def text(self, *names: str, default: str | None = None) -> str:
        """A string."""
        value, key = self._get(names, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "text")
        return value

    def integers(self, *names: str, count: int | None = None) -> list[int]:
        """A list of whole numbers from 0, of `count` where that is given."""
        value, key = self._get(names, None)
        good = isinstance(value, (list, tuple)) and all(type(n) is int and n >= 0 for n in value)
        if not good or (count is not None and len(value) != count):
            expected = "whole numbers" if count is None else f"{count} whole numbers"
            raise self._wrong(key, value, f"a list of {expected}")
        return list(value)

    def _get(self, names: tuple[str, ...], default: Any) -> tuple[Any, str]:
        for name in names:
            if self.values.get(name) is not None:
                return self.values[name], name
        if default is not None:
            return default, names[0]
        wanted = " or ".join(repr(self.name(name)) for name in names)
        raise CheckpointError(f"{self.source}: the configuration has no key {wanted}")

    def _wrong(self, key: str, value: Any, expected: str) -> CheckpointError:
        return CheckpointError(
            f"{self.source}: {self.name(key)} must be {expected}, not {value!r:.60}"
        )


def gguf_features(keys: Keys) -> Features:
    """The features of a GGUF file, from its keys without the architecture's prefix."""
    return Features(
        sample_rate=keys.integer("features.sample_rate"),
        n_fft=keys.integer("features.n_fft"),
        window_length=keys.integer("features.window_length"),
        hop_length=keys.integer("features.hop_length"),
        mel_bands=keys.integer("features.mel_bands"),
        preemphasis=keys.number("features.preemphasis"),
        log_zero_guard=keys.number("features.log_zero_guard"),
        mag_power=keys.number("features.mag_power"),
        normalize=keys.text("features.normalize"),
    )
