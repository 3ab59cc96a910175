"""What a model needs, before it is loaded: parameters, sizes, caches and the memory in use.

import parrotlet.memory

report = parrotlet.memory.plan("parakeet-tdt-0.6b-v2", type="q8_0", seconds=60)
print(report.parameters, report.bytes["q8_0"], report.total)
print(parrotlet.memory.plan("whisper-large-v3-turbo", type="f16").kv_caches)

`docs/memory.md` says what is counted, and how.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from parrotlet.decoding.phrases import Phrases
from parrotlet.memory.own_words import scorer_items
from parrotlet.memory.process import typical_process
from parrotlet.memory.report import (
    Component,
    Estimate,
    Item,
    KeyValueCaches,
    LayerType,
    MemoryReport,
    StreamCaches,
    Training,
    Workload,
)
from parrotlet.memory.sources import detect, find, preset_names
from parrotlet.memory.subjects import RUNS_HERE, VARIANTS, WRITES_TEXT, Request, Subject
from parrotlet.memory.weights import canonical

__all__ = [
    "Component",
    "Estimate",
    "Item",
    "KeyValueCaches",
    "LayerType",
    "MemoryReport",
    "Request",
    "StreamCaches",
    "Training",
    "Workload",
    "detect",
    "plan",
    "preset_names",
]

OWN_TYPE = "file"
"""Asked for as a type, it is what a GGUF file has."""

_OWNERS = (
    (
        VARIANTS,
        "variants of attention are those of an LMU configuration or preset, and {model} is none",
    ),
    (RUNS_HERE, "{setting} is a setting of models that run here, and {model} is none"),
    (WRITES_TEXT, "{setting} is a setting of models with a text decoder, and {model} is none"),
)
"""What is said where a setting is given that a model has not."""


def plan(
    model: str | os.PathLike[str] | Mapping[str, Any],
    *,
    type: str | None = None,
    seconds: float | None = None,
    batch: int = 1,
    threads: int | None = None,
    mode: str = "offline",
    right_context: int | None = None,
    attention_window: int | None = None,
    streams: int | None = None,
    tokens: int | None = None,
    tensor_parallel: int = 1,
    cache_type: str | None = None,
    attention: bool | None = None,
    attention_bias: bool | None = None,
    process: Callable[[], int] = typical_process,
    language_model: str | os.PathLike[str] | None = None,
    phrases: Phrases | None = None,
) -> MemoryReport:
    """Report what a model needs; `Request` says what the settings mean.

    `model` is a GGUF file, a `.nemo` or `.ckpt` checkpoint, a `model_config.yaml`, the `.pt` of an
    LMU model (with its configuration inside or as YAML in the same directory) or that YAML alone, a
    Hugging Face `config.json` or its directory, the name of a preset (`preset_names`), or a
    configuration as a mapping. It may also be a repository of the Hugging Face hub, such as
    "openai/whisper-base.en". Of that the configuration is fetched, or the checkpoint that has it.

    Raises CheckpointError or ModelFileError for a file that is damaged or incomplete, naming the
    key that is missing; UnsupportedModelError for what describes no model that is known, or asks
    for something it cannot do; HubError for a repository that cannot be fetched; LanguageModelError
    and PhrasesError for what cannot be used; and ValueError for other bad arguments.
    """
    request = Request(
        type=None if type in (None, OWN_TYPE) else canonical(str(type)),
        seconds=seconds,
        batch=batch,
        threads=threads,
        mode=mode,
        right_context=right_context,
        streams=streams,
        attention_window=attention_window,
        tokens=tokens,
        tensor_parallel=tensor_parallel,
        cache_type=cache_type,
        attention=attention,
        attention_bias=attention_bias,
        process=process,
        language_model=language_model,
        phrases=phrases,
    )
    subject = find(model)
    _check_applies(subject, request)
    return subject.report(request).with_items(scorer_items(subject.source, language_model, phrases))


def _check_applies(subject: Subject, request: Request) -> None:
    """Raise ValueError for settings that a model of this kind does not have."""
    unset = {field.name: field.default for field in fields(Request)}
    for settings, message in _OWNERS:
        for setting in settings:
            given = getattr(request, setting) != unset[setting]
            if given and setting not in subject.settings:
                raise ValueError(message.format(setting=setting, model=subject.name))
