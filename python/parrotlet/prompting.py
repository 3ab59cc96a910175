"""The language that a model is told, of those that it has."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from parrotlet.architectures.prompt import AUTO, Prompt


@dataclass(frozen=True, slots=True)
class Prompting:
    """A language of a model's, and its prompt; the defaults are for a model that has none."""

    name: str | None = None
    index: int = 0

    @property
    def language(self) -> str | None:
        """The language; None where the model is to find out."""
        return None if self.name == AUTO else self.name


def find_prompting(language: str | None, prompt: Prompt | None, model: str) -> Prompting:
    """Return what stands for a language, None for the default; `model` is the model's name.

    Case does not matter, and "_" stands for "-". Raises ValueError for a language that the model
    does not have, naming those that it has, and for any if it has none.
    """
    if prompt is None:
        if language is not None:
            raise ValueError(
                f"language is {language!r}, but {model} is not told a language; leave it out"
            )
        return Prompting()
    if language is None and prompt.default is None:
        raise ValueError(
            f"{model} has no default language; choose one of {', '.join(prompt.languages)}"
        )
    wanted = prompt.default if language is None else language
    if isinstance(wanted, str):
        for spelling in (str, _plain):
            for name, index in zip(prompt.languages, prompt.indices, strict=True):
                if spelling(name) == spelling(wanted):
                    return Prompting(name, index)
    known = ", ".join(_nearest_first(str(wanted), prompt.languages))
    raise ValueError(f"language is {wanted!r}; {model} has {known}")


def _plain(name: str) -> str:
    """A name as it is compared."""
    return name.casefold().replace("_", "-")


def _nearest_first(wanted: str, names: tuple[str, ...]) -> list[str]:
    """Names of the same language first, then those that are spelled most alike."""
    wanted = _plain(wanted)

    def distance(name: str) -> tuple[bool, float]:
        name = _plain(name)
        same = name.partition("-")[0] == wanted.partition("-")[0]
        return not same, -difflib.SequenceMatcher(None, wanted, name).ratio()

    return sorted(names, key=distance)
