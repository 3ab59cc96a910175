"""Reports on models that a Hugging Face configuration describes."""

from __future__ import annotations

from parrotlet.memory.hf.architectures import Architecture, architecture
from parrotlet.memory.hf.estimate import Sizes, cache_type_of, check_parallel, estimate
from parrotlet.memory.keys import Keys
from parrotlet.memory.report import Report, Settings
from parrotlet.memory.weights import ALIASES, TYPES, components, layer_types

DEFAULT_SECONDS = 30.0
"""A window of Whisper's, which most of these encoders take."""


def plan(
    keys: Keys,
    kind: str,
    settings: Settings,
    *,
    name: str,
    type: str | None,
    cache_type: str | None,
) -> Report:
    """Report on the model of a configuration.

    `type` is that of the weights, the configuration's own unless told, and `cache_type` that of
    keys, values and activations: f32 beside f32 weights, f16 beside others unless told. Raises
    CheckpointError naming the key that is missing or wrong.
    """
    made = architecture(keys, kind)
    check_parallel(made, settings.tensor_parallel, keys.source)
    layers = layer_types(made.weights, TYPES)
    parts = components(layers, TYPES)
    bytes = {each: sum(part.bytes[each] for part in parts) for each in TYPES}
    type = type or configured_type(keys)
    sizes = _sizes(made, settings, type, cache_type)
    return Report(
        name=name,
        source=keys.source,
        kind=made.kind,
        settings=settings,
        type=type,
        types=TYPES,
        layers=layers,
        components=parts,
        buffers=0,
        estimates={
            each: estimate(each, bytes[each], _sizes(made, settings, each, cache_type))
            for each in TYPES
        },
        kv_caches=sizes.caches(),
        notes=made.notes,
    )


def configured_type(keys: Keys) -> str:
    """The type that a configuration gives its weights, f16 if it gives none that we know."""
    name = str(keys.values.get("dtype") or keys.values.get("torch_dtype") or "float16")
    return ALIASES.get(name.removeprefix("torch."), "f16")


def _sizes(made: Architecture, settings: Settings, type: str, cache_type: str | None) -> Sizes:
    return Sizes(made, settings, cache_type or cache_type_of(type))
