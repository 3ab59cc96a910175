"""What a model needs, before it is loaded: parameters, sizes, caches and the memory in use.

import parrotlet.memory

report = parrotlet.memory.plan("parakeet-tdt-0.6b-v2", type="q8_0", seconds=60)
print(report.parameters, report.bytes["q8_0"], report.total)
print(parrotlet.memory.plan("whisper-large-v3-turbo", type="f16").kv_caches)

`docs/memory.md` says what is counted, and how.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from parrotlet.cpus import MAX_THREADS
from parrotlet.memory import lmu, nemo
from parrotlet.memory.hf import plan as hf
from parrotlet.memory.lmu_sizes import Lmu
from parrotlet.memory.report import (
    Component,
    Estimate,
    Item,
    KeyValueCaches,
    LayerType,
    Report,
    Settings,
    StreamCaches,
    Training,
)
from parrotlet.memory.sources import (
    HfSource,
    LmuFile,
    LmuSource,
    NemoSource,
    Source,
    detect,
    find,
    preset_names,
)
from parrotlet.memory.weights import canonical

__all__ = [
    "Component",
    "Estimate",
    "Item",
    "KeyValueCaches",
    "LayerType",
    "Report",
    "Settings",
    "StreamCaches",
    "Training",
    "detect",
    "plan",
    "preset_names",
]

MODES = ("offline", "streaming")


def plan(
    model: str | os.PathLike[str] | Mapping[str, Any],
    *,
    type: str | None = None,
    seconds: float | None = None,
    batch: int = 1,
    threads: int | None = None,
    mode: str = "offline",
    right_context: int | None = None,
    tokens: int | None = None,
    tensor_parallel: int = 1,
    cache_type: str | None = None,
    attention: bool | None = None,
    attention_bias: bool | None = None,
) -> Report:
    """Report what a model needs.

    `model` is a GGUF file, a `.nemo` checkpoint, the `.pt` of an LMU model with its configuration
    inside or as YAML beside it, a NeMo `model_config.yaml`, a Hugging Face `config.json` (or the
    directory it is in), an LMU configuration in YAML, the name of a preset (`preset_names`), a
    configuration as a mapping, or a repository of the Hugging Face hub, such as
    "openai/whisper-base.en", of which the configuration is fetched, or the whole checkpoint where
    that is the place of it.

    `type` is that of the weights: one of `Report.types`, by default what a GGUF file has, q8_0 for
    other NeMo models, f32 for LMU models, and what a `config.json` says. `seconds` of audio are
    60 by default, and 30 for `config.json`; `batch` counts recordings at the same time. `threads`
    and `mode` ("offline" or "streaming", the latter with a `right_context`) are those of this
    runtime. `tokens` is the text that a decoder holds, 448 by default; `tensor_parallel` the
    devices that its weights and caches are spread over; `cache_type` ("f32", "f16", "int8", ...)
    what keys, values and activations are held in. `attention` and `attention_bias` override what
    an LMU configuration says.

    Raises CheckpointError or ModelFileError for a file that is damaged or incomplete, naming the
    key that is missing; UnsupportedModelError for what describes no model that is known, or asks
    for something it cannot do; HubError for a repository that cannot be fetched; and ValueError for
    other bad arguments.
    """
    _check(seconds, batch, threads, mode, tokens, tensor_parallel)
    chosen = None if type in (None, nemo.FILE) else canonical(str(type))
    source = find(model)
    if not isinstance(source, LmuSource) and (attention, attention_bias) != (None, None):
        raise ValueError(
            "variants of attention are those of an LMU configuration or preset, and "
            f"{source.name} is none"
        )
    _check_applies(source, mode, right_context, tokens, tensor_parallel, cache_type)
    if isinstance(source, NemoSource):
        default = nemo.FILE if source.stored is not None else "q8_0"
        return nemo.plan(
            source.config,
            source.vocab,
            nemo.settings(seconds, batch, threads, mode, right_context),
            name=source.name,
            source=source.source,
            type=chosen or default,
            stored=source.stored,
        )
    if isinstance(source, LmuSource):
        variant = Lmu.from_keys(source.keys, attention, attention_bias)
        source = LmuFile(source.name, source.keys.source, variant, "f32")
    if isinstance(source, LmuFile):
        return lmu.plan(
            source.model,
            lmu.settings(seconds, batch, threads, mode),
            name=source.name,
            source=source.source,
            type=chosen or source.type,
            training_seconds=seconds,
        )
    return _hf(source, chosen, seconds, batch, tokens, tensor_parallel, cache_type)


def _hf(
    source: HfSource,
    type: str | None,
    seconds: float | None,
    batch: int,
    tokens: int | None,
    tensor_parallel: int,
    cache_type: str | None,
) -> Report:
    settings = Settings(
        seconds=hf.DEFAULT_SECONDS if seconds is None else seconds,
        batch=batch,
        tokens=tokens,
        tensor_parallel=tensor_parallel,
    )
    report = hf.plan(
        source.keys,
        source.kind,
        settings,
        name=source.name,
        type=type,
        cache_type=None if cache_type is None else canonical(cache_type),
    )
    return replace(report, settings=settings)


def _check_applies(
    source: Source,
    mode: str,
    right_context: int | None,
    tokens: int | None,
    tensor_parallel: int,
    cache_type: str | None,
) -> None:
    """Raise ValueError for settings that a model of this kind does not have."""
    if isinstance(source, HfSource):
        others = {"mode": mode != "offline", "right_context": right_context is not None}
        owners = "models that run here"
    else:
        others = {
            "tokens": tokens is not None,
            "tensor_parallel": tensor_parallel != 1,
            "cache_type": cache_type is not None,
        }
        owners = "models with a text decoder"
    for name, given in others.items():
        if given:
            raise ValueError(f"{name} is a setting of {owners}, and {source.name} is none")


def _check(
    seconds: float | None,
    batch: int,
    threads: int | None,
    mode: str,
    tokens: int | None,
    tensor_parallel: int,
) -> None:
    if seconds is not None and not 0 < seconds <= 1e7:
        raise ValueError(f"seconds is {seconds!r}; expected a positive number")
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; expected one of {', '.join(MODES)}")
    if threads is not None and threads > MAX_THREADS:
        raise ValueError(f"threads is {threads!r}; expected a whole number from 1 to {MAX_THREADS}")
    counts = (("batch", batch), ("tensor_parallel", tensor_parallel))
    optional = (("threads", threads), ("tokens", tokens))
    for name, count in (*counts, *(pair for pair in optional if pair[1] is not None)):
        if type(count) is not int or count < 1:
            raise ValueError(f"{name} is {count!r}; expected a whole number from 1")
