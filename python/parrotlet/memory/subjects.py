"""What can be planned, and by whom: the request, models that answer it, and who knows them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from parrotlet.decoding.phrases import Phrases
from parrotlet.longform.limits import check_attention_window
from parrotlet.machine import MAX_THREADS, usable_cores
from parrotlet.memory.configurations import Configuration, Presets
from parrotlet.memory.process import typical_process
from parrotlet.memory.report import MemoryReport, Workload

S = TypeVar("S")
"""Sizes of a family."""

RUNS_HERE = ("mode", "right_context", "attention_window", "streams", "language_model", "phrases")
"""Settings of models that this runtime runs."""

VARIANTS = ("attention", "attention_bias")
"""Settings of configurations that leave open what they override."""

WRITES_TEXT = ("tokens", "tensor_parallel", "cache_type")
"""Settings of models with a text decoder."""

MODES = ("offline", "streaming")

DEFAULT_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """What a report is asked for: the settings of `parrotlet.memory.plan`.

    `type` is that of the weights: one of `MemoryReport.types`, by default what a GGUF file has,
    q8_0 for other NeMo models, f32 for LMU models, and what a `config.json` says. `seconds` of
    audio are 60 by default, and 30 for a `config.json`. `batch` counts recordings at the same time.
    `process` gives the bytes of a Python process that has loaded no model yet, by default those of
    a typical one.

    Of models that this runtime runs: `threads`, `mode` ("offline" or "streaming"), the
    `right_context` of a stream in encoder frames, the `attention_window` of a recording in one
    pass, as for `Model.transcribe`, and `streams`, which plans for a group of so many
    (`Model.streams`) instead of `mode` and `batch`. Of models with a text decoder: `tokens`, the
    text that it holds (448 by default), `tensor_parallel`, the devices that weights and caches are
    spread over, and `cache_type` ("f32", "f16", "int8", ...), what keys, values and activations
    are held in. Of LMU configurations: `attention` and `attention_bias` override what they say.

    `language_model`, a file, and `phrases`, whose tokens only a GGUF file tells, are those of
    `Decoding`.

    Raises ValueError for counts and lengths that are not positive, and for other modes.
    """

    type: str | None = None
    seconds: float | None = None
    batch: int = 1
    threads: int | None = None
    mode: str = "offline"
    right_context: int | None = None
    attention_window: int | None = None
    streams: int | None = None
    tokens: int | None = None
    tensor_parallel: int = 1
    cache_type: str | None = None
    attention: bool | None = None
    attention_bias: bool | None = None
    process: Callable[[], int] = typical_process
    language_model: str | os.PathLike[str] | None = None
    phrases: Phrases | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        if self.seconds is not None and not 0 < self.seconds <= 1e7:
            raise ValueError(f"seconds is {self.seconds!r}; expected a positive number")
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}; expected one of {', '.join(MODES)}")
        if self.threads is not None and self.threads > MAX_THREADS:
            raise ValueError(
                f"threads is {self.threads!r}; expected a whole number from 1 to {MAX_THREADS}"
            )
        if self.attention_window is not None:
            check_attention_window(self.attention_window)
            if self.mode == "streaming" or self.streams:
                raise ValueError("attention_window is for recordings, and streams have none")
        for name in ("batch", "tensor_parallel", "threads", "tokens", "streams"):
            count = getattr(self, name)
            optional = name in ("threads", "tokens", "streams") and count is None
            if not optional and (type(count) is not int or count < 1):
                raise ValueError(f"{name} is {count!r}; expected a whole number from 1")

    def workload(self) -> Workload:
        """The settings of this runtime, with what was left out filled in."""
        return Workload(
            seconds=DEFAULT_SECONDS if self.seconds is None else self.seconds,
            batch=self.streams or self.batch,
            threads=usable_cores() if self.threads is None else self.threads,
            mode="streaming" if self.streams else self.mode,
            right_context=self.right_context,
            attention_window=self.attention_window,
            together=self.streams is not None,
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

    presets: Presets | None = None
    recognises: ClassVar[str] = ""
    """What messages say of the settings by which it knows its configurations."""

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
        return self.presets.names() if self.presets else ()

    def preset(self, name: str) -> Subject | None:
        """The preset of a name, whatever case and organisation it is given with."""
        found = self.presets.find(name) if self.presets else None
        return None if found is None else self.configured(found)


class FamilyPlanner(Planner, Generic[S]):
    """Who knows the models of one architecture, of which the sizes are known as well."""

    @abstractmethod
    def sized(
        self, sizes: S, name: str, source: str, stored: Mapping[str, str] | None = None
    ) -> Subject:
        """The model of a checkpoint, or of a GGUF file with tensors of the types `stored`."""
