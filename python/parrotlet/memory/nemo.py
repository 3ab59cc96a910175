"""NeMo models: the layer table, streaming caches, and the resident memory of running one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from parrotlet import _core
from parrotlet._convert import storage
from parrotlet._convert.config import ModelConfig
from parrotlet._convert.mapping import Tensor, conformer
from parrotlet.cpus import usable_cores
from parrotlet.errors import UnsupportedModelError
from parrotlet.memory.passes import passes
from parrotlet.memory.process import baseline
from parrotlet.memory.report import (
    Component,
    Estimate,
    Item,
    LayerType,
    Report,
    Settings,
    StreamCaches,
)
from parrotlet.memory.runtime import Runtime, Stored
from parrotlet.memory.weights import WHOLE, components

DEFAULT_SECONDS = 60.0

FILE = "file"
"""The name of the types that the tensors of a GGUF file have."""

ENCODER, SUBSAMPLING = "encoder", "subsampling"
PREDICTOR, JOINT, CTC_HEAD = "predictor", "joint", "ctc head"

# Layer types by name of the tensor, the first that matches: component, layer type
_LAYERS = [
    (re.compile(pattern), component, name)
    for pattern, component, name in (
        (r"encoder\.pre_encode\.", SUBSAMPLING, "Subsampling"),
        (r".*\.self_attn\.linear_[qkv]\.", ENCODER, "MHSA Q/K/V"),
        (r".*\.self_attn\.linear_out\.", ENCODER, "MHSA Out"),
        (r".*\.self_attn\.(linear_pos\.|pos_bias)", ENCODER, "MHSA Position"),
        (r".*\.feed_forward[12]\.linear1\.", ENCODER, "FFN Up"),
        (r".*\.feed_forward[12]\.linear2\.", ENCODER, "FFN Down"),
        (r".*\.conv\.", ENCODER, "Conformer Conv"),
        (r".*\.norm_", ENCODER, "Layer Norms"),
        (r"decoder\.prediction\.", PREDICTOR, "Predictor"),
        (r"joint\.", JOINT, "Joint"),
        (r"ctc_decoder\.", CTC_HEAD, "CTC Head"),
    )
]
# How the table is sorted
_ORDER = (
    "Conformer Conv",
    "MHSA Q/K/V",
    "MHSA Out",
    "MHSA Position",
    "FFN Up",
    "FFN Down",
    "Layer Norms",
    "Joint",
    "Predictor",
    "CTC Head",
    "Subsampling",
)
_BUFFERS = ("preprocessor.",)
_STATISTICS = (".running_mean", ".running_var")


def plan(
    config: ModelConfig,
    vocab: int,
    settings: Settings,
    *,
    name: str,
    source: str,
    type: str,
    stored: Mapping[str, str] | None = None,
) -> Report:
    """Report on a model of `vocab` tokens, blank not counted.

    `stored` are the types of the tensors of a file, by name. Raises UnsupportedModelError where
    streaming is asked of a model that cannot, and ValueError for a right context it has not.
    """
    tensors = conformer(config, vocab)
    plans = {kind: _stored(tensors, kind) for kind in _core.types()}
    if stored is not None:
        shapes = {tensor.name: tensor.shape for tensor in tensors}
        held = {n: Stored(shapes[n], kind) for n, kind in stored.items() if n in shapes}
        plans = {FILE: held, **plans}
    types = (*plans, "int8", "int4")
    layers = _layer_table(tensors, plans, types, config)
    context = _context(config, settings, source)
    if type not in plans:
        raise ValueError(f"type is {type!r}; this runtime has {', '.join(plans)}")
    return Report(
        name=name,
        source=source,
        kind="transducer" if config.transducer is not None else "ctc",
        settings=settings,
        type=type,
        types=types,
        layers=layers,
        components=_in_order(components(layers, types)),
        buffers=sum(4 * math.prod(t.shape) for t in tensors if t.name.startswith(_BUFFERS)),
        estimates={
            kind: _estimate(
                Runtime(config, vocab, planned, settings.threads), kind, settings, context
            )
            for kind, planned in plans.items()
        },
        stream_caches=_stream_caches(Runtime(config, vocab, plans[type], settings.threads)),
        notes=_notes(config),
    )


def settings(
    seconds: float | None,
    batch: int,
    threads: int | None,
    mode: str,
    right_context: int | None,
) -> Settings:
    """Settings with what was left out filled in."""
    return Settings(
        seconds=DEFAULT_SECONDS if seconds is None else seconds,
        batch=batch,
        threads=usable_cores() if threads is None else threads,
        mode=mode,
        right_context=right_context,
    )


def can_stream(config: ModelConfig) -> bool:
    """Whether the runtime streams a model (`ConformerModel::can_stream`)."""
    chunked = config.encoder.attention_style == "chunked_limited"
    return chunked and config.features.normalize == "none"


# Counts -------------------------------------------------------------------------------------


def _stored(tensors: Sequence[Tensor], type: str) -> dict[str, Stored]:
    planned = storage.plan(tensors, type)
    return {item.tensor.name: Stored(item.tensor.shape, item.type) for item in planned}


def _layer_table(
    tensors: Iterable[Tensor],
    plans: Mapping[str, Mapping[str, Stored]],
    types: Sequence[str],
    config: ModelConfig,
) -> tuple[LayerType, ...]:
    """Parameters are those of the checkpoint, sizes by stored type those of the tensors that they
    become: a BatchNorm is folded into its convolution, and the LSTM's two biases are one."""
    parameters: dict[tuple[str, str], dict[str, int]] = {}
    bytes: dict[tuple[str, str], dict[str, int]] = {}
    for tensor in tensors:
        if tensor.name.startswith(_BUFFERS):
            continue
        group = _group(tensor.name)
        sources = parameters.setdefault(group, {})
        for source, shape in tensor.sources:
            if not source.endswith(_STATISTICS):
                sources[source] = math.prod(shape)
        sizes = bytes.setdefault(group, dict.fromkeys(types, 0))
        for type, planned in plans.items():
            sizes[type] += _bytes(planned[tensor.name])
    rows = []
    for component, name in sorted(parameters, key=lambda group: _ORDER.index(group[1])):
        sources = parameters[component, name]
        count, sizes = sum(sources.values()), bytes[component, name]
        for type in ("int8", "int4"):
            sizes[type] = math.ceil(count * WHOLE[type])
        rows.append(LayerType(component, _title(name, config), _layers(name, config), count, sizes))
    return tuple(rows)


def _bytes(tensor: Stored) -> int:
    elements, size = _core.block_layout(tensor.type)
    return math.prod(tensor.shape) // elements * size


def _group(name: str) -> tuple[str, str]:
    for pattern, component, layer in _LAYERS:
        if pattern.match(name):
            return component, layer
    raise AssertionError(f"{name} has no layer type")


def _title(name: str, config: ModelConfig) -> str:
    """Predictor and joint are called after the transducer they belong to."""
    if name not in ("Predictor", "Joint"):
        return name
    return f"{'TDT' if config.transducer and config.transducer.durations else 'RNNT'} {name}"


def _layers(name: str, config: ModelConfig) -> int:
    """How many layers of a type there are; each block has two feed-forward modules."""
    if name in ("Subsampling", "Predictor", "Joint", "CTC Head"):
        return 1
    return config.encoder.layers * (2 if name.startswith("FFN") else 1)


def _in_order(found: Iterable[Component]) -> tuple[Component, ...]:
    order = (SUBSAMPLING, ENCODER, PREDICTOR, JOINT, CTC_HEAD)
    return tuple(sorted(found, key=lambda component: order.index(component.name)))


def _notes(config: ModelConfig) -> tuple[str, ...]:
    if config.encoder.conv_norm == "layer_norm":
        return ()
    return ("BatchNorm is folded into the convolution before it when a checkpoint is converted",)


# Memory in use ------------------------------------------------------------------------------


def _context(config: ModelConfig, settings: Settings, source: str) -> tuple[int, int]:
    contexts = config.encoder.attention_contexts
    if settings.mode == "streaming" and not can_stream(config):
        raise UnsupportedModelError(
            f"{source}: the model was not trained for cache-aware streaming; plan it for offline "
            "use"
        )
    if settings.right_context is None:
        return contexts[0]
    for context in contexts:
        if context[1] == settings.right_context:
            return context
    known = ", ".join(str(right) for _, right in contexts)
    raise ValueError(f"right_context is {settings.right_context}; the model has {known}")


def _estimate(
    runtime: Runtime, type: str, settings: Settings, context: tuple[int, int]
) -> Estimate:
    work = _streaming if settings.mode == "streaming" else _offline
    items = [
        Item("process", "Python and libraries", baseline()),
        Item("weights", "packed weights", runtime.weights()),
        *work(runtime, settings, context),
    ]
    return Estimate(type, tuple(item for item in items if item.bytes))


def _offline(runtime: Runtime, settings: Settings, context: tuple[int, int]) -> list[Item]:
    features, d_model = runtime.config.features, runtime.config.encoder.d_model
    divided = passes(settings.seconds, settings.threads)
    samples = int(divided.seconds * features.sample_rate)
    recording = int(divided.beside * features.sample_rate)
    frames, encoded, positions = runtime.recording(samples, context)
    mels = frames * features.mel_bands * 4
    output = encoded * d_model * 4
    decoded = runtime.outputs(encoded)
    at_once = settings.batch * divided.at_once
    # Features are freed when the encoder is done; projected frames come after that.
    kept = max(mels + output, output + decoded)
    scratch = runtime.scratch(at_once, settings.threads)
    return [
        Item("caches", "positions", positions),
        Item("input", "recording", settings.batch * recording * 4),
        Item("input", "samples", at_once * samples * 4),
        Item("input", "features and frames", at_once * kept),
        Item("activations", "scratch memory", scratch),
    ]


def _streaming(runtime: Runtime, settings: Settings, context: tuple[int, int]) -> list[Item]:
    features = runtime.config.features
    positions = runtime.stream_positions(context)
    keys, histories = runtime.stream_caches(context)
    runtime.stream_step(context)
    batch = settings.batch
    piece = min(int(settings.seconds * features.sample_rate), features.sample_rate)
    scratch = runtime.scratch(batch, settings.threads)
    return [
        Item("caches", "keys and values", batch * keys),
        Item("caches", "convolutions", batch * histories),
        Item("caches", "positions", positions),
        Item("input", "samples", batch * 2 * piece * 4),
        Item("activations", "scratch memory", scratch),
    ]


def _stream_caches(runtime: Runtime) -> tuple[StreamCaches, ...]:
    config = runtime.config
    if not can_stream(config):
        return ()
    features = config.features
    frame = config.encoder.subsampling.factor * features.hop_length / features.sample_rate
    rows = []
    for left, right in config.encoder.attention_contexts:
        if right < 0:
            continue
        keys, histories = runtime.stream_caches((left, right))
        rows.append(
            StreamCaches(
                left_context=left,
                right_context=right,
                chunk_seconds=round((right + 1) * frame, 6),
                keys_and_values=keys,
                convolutions=histories,
                positions=runtime.stream_positions((left, right)),
            )
        )
    return tuple(rows)
