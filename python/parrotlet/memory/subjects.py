"""What can be planned, and by whom: the request, models that answer it, and who knows them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from parrotlet.decoding.phrases import Phrases
from parrotlet.machine import usable_cores
from parrotlet.memory.configurations import Configuration, Presets
from parrotlet.memory.process import typical_process
from parrotlet.memory.report import MemoryReport, Workload

S = TypeVar("S")
"""Sizes of a family."""

RUNS_HERE = ("mode", "right_context", "language_model", "phrases")
"""Settings of models that this runtime runs."""

VARIANTS = ("attention", "attention_bias")
"""Settings of configurations that leave open what they override."""

WRITES_TEXT = ("tokens", "tensor_parallel", "cache_type")
"""Settings of models with a text decoder."""

DEFAULT_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """What a report is asked for: the arguments of `parrotlet.memory.plan`.

    `type` is that of the weights, None for the model's own; `process` gives the bytes of a Python
    process with the package.
    """

    type: str | None = None
    seconds: float | None = None
    batch: int = 1
    threads: int | None = None
    mode: str = "offline"
    right_context: int | None = None
    tokens: int | None = None
    tensor_parallel: int = 1
    cache_type: str | None = None
    attention: bool | None = None
    attention_bias: bool | None = None
    process: Callable[[], int] = typical_process
    language_model: str | os.PathLike[str] | None = None
    phrases: Phrases | None = None

    def workload(self) -> Workload:
        """The settings of this runtime, with what was left out filled in."""
        return Workload(
            seconds=DEFAULT_SECONDS if self.seconds is None else self.seconds,
            batch=self.batch,
            threads=usable_cores() if self.threads is None else self.threads,
            mode=self.mode,
            right_context=self.right_context,
        )


class Subject(ABC):
    """A model that can be planned; `settings` names the arguments that not every model has."""

    settings: ClassVar[tuple[str, ...]]

    def __init__(self, name: str, source: str) -> None:
        """`name` is what the model is called, `source` what messages call its description."""
        self.name = name
        self.source = source

    @abstractmethod
    def report(self, request: Request) -> MemoryReport:
        """What the model needs.

        Raises CheckpointError naming a key that is missing or wrong, UnsupportedModelError for what
        the model cannot do, and ValueError for a setting that it has not.
        """


class Planner(ABC):
    """Who knows a group of models by their configurations and by their names."""

    presets: Presets

    @abstractmethod
    def kind(self, values: Mapping[str, Any], source: str) -> str:
        """The kind of model that a configuration describes; empty for one that is not known."""

    @abstractmethod
    def configured(self, configuration: Configuration) -> Subject:
        """The model of a configuration that `kind` knows.

        Raises CheckpointError and UnsupportedModelError for one that is incomplete or not possible.
        """

    def preset_names(self) -> Iterable[str]:
        """Names of the presets."""
        return self.presets.names()

    def preset(self, name: str) -> Subject | None:
        """The preset of a name, whatever case and organisation it is given with."""
        found = self.presets.find(name)
        return None if found is None else self.configured(found)


class FamilyPlanner(Planner, Generic[S]):
    """Who knows the models of one architecture, of which the sizes are known as well."""

    @abstractmethod
    def sized(
        self, sizes: S, name: str, source: str, stored: Mapping[str, str] | None = None
    ) -> Subject:
        """The model of a checkpoint, or of a GGUF file with tensors of the types `stored`."""
