"""The language prompt that joins every encoder frame of some models.

Source: NeMo `EncDecRNNTBPEModelWithPrompt`, `EncDecHybridRNNTCTCBPEModelWithPrompt` and their
`PromptStreamingMixin`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import Check, Key, Values, between, part
from parrotlet.architectures.tensors import Array, Tensor, linear

MAX_PROMPTS = 1024
"""No model has more prompts; published ones have 128."""

AUTO = "auto"
"""The language that leaves it to the model; NeMo's default."""

KERNEL = "prompt_kernel."
PROMPT_BIAS = f"{KERNEL}0.prompt_bias"


@dataclass(frozen=True)
class Prompt:
    """A one-hot prompt of `count` values, and a module of two linear layers, `hidden` wide between.

    `languages` are the names that a prompt has, of which several may have the same, and `indices`
    their prompts. `default` is the one of `languages` that is taken unless another is asked for,
    None if there has to be one.
    """

    count: int
    hidden: int
    languages: tuple[str, ...]
    indices: tuple[int, ...]
    default: str | None

    @classmethod
    def of_dictionary(cls, count: int, hidden: int, dictionary: Mapping[str, int]) -> Prompt:
        """The prompts that NeMo's `prompt_dictionary`, from languages to prompts, names."""
        default = AUTO if AUTO in dictionary else None
        return cls(count, hidden, tuple(dictionary), tuple(dictionary.values()), default)

    def index(self, language: str) -> int | None:
        """The prompt of a language; None for one that there is not."""
        found = dict(zip(self.languages, self.indices, strict=True))
        return found.get(language)


def is_dictionary(values: Any, count: int) -> bool:
    """Whether values are at least one language with a prompt of `count`."""
    return (
        isinstance(values, Mapping)
        and len(values) > 0
        and all(isinstance(name, str) and name for name in values)
        and all(type(index) is int and 0 <= index < count for index in values.values())
    )


# Metadata -----------------------------------------------------------------------------------


def _has_prompt(values: Values) -> bool:
    return values["prompt.count"] is not None


_NAMES = Check(
    lambda names: bool(names) and all(names) and len(set(names)) == len(names), "distinct names"
)

KEYS = (
    Key("prompt.count", "u32", "prompt.count", between(1, MAX_PROMPTS, "prompts"), default=None),
    Key("prompt.hidden", "u32", "prompt.hidden", between(1, 1 << 16, "values"), when=_has_prompt),
    Key("prompt.languages", "str[]", "prompt.languages", _NAMES, when=_has_prompt),
    Key("prompt.indices", "i32[]", "prompt.indices", when=_has_prompt),
    Key("prompt.default", "str", "prompt.default", default=None, when=_has_prompt),
)
"""Keys of the table of a family whose models may have prompts."""


def read_prompt(values: Values, keys: GgufKeys) -> Prompt | None:
    """The prompts of a file whose KEYS have been read; None if it has none.

    Raises ModelFileError for languages without a prompt.
    """
    if not _has_prompt(values):
        return None
    prompt = Prompt(**part(values, "prompt"))
    named = len(prompt.indices) == len(prompt.languages)
    if not named or not all(0 <= index < prompt.count for index in prompt.indices):
        expected = f"a prompt from 0 to {prompt.count - 1} for each language"
        raise keys.wrong("prompt.indices", prompt.indices, expected)
    if prompt.default is not None and prompt.default not in prompt.languages:
        raise keys.wrong("prompt.default", prompt.default, "one of the languages")
    return prompt


# Tensors ------------------------------------------------------------------------------------


def prompt_kernel(prompt: Prompt, d_model: int) -> Iterator[Tensor]:
    """Linear, ReLU, Linear over a frame of `d_model` values and the one-hot prompt after it.

    Times the one-hot, the first layer's weight is one of its columns. Those columns become rows,
    each with the layer's bias added, and the weight keeps what frames are multiplied with.
    """
    hidden = prompt.hidden
    weight = (f"{KERNEL}0.weight", (hidden, d_model + prompt.count))
    bias = (f"{KERNEL}0.bias", (hidden,))

    def of_frames(weight: Array) -> Array:
        return np.ascontiguousarray(weight[:, :d_model])

    def of_prompts(weight: Array, bias: Array) -> Array:
        return np.ascontiguousarray(weight[:, d_model:].T + bias)

    yield Tensor(f"{KERNEL}0.weight", (hidden, d_model), (weight,), of_frames)
    yield Tensor(PROMPT_BIAS, (prompt.count, hidden), (weight, bias), of_prompts)
    yield from linear(f"{KERNEL}2.", d_model, hidden)
