"""NeMo models: the layer table, streaming caches, and the resident memory of running one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parrotlet import _core
from parrotlet.architectures.conformer.nemo_config import MODEL_CLASSES, model_config
from parrotlet.architectures.conformer.published import PRESETS
from parrotlet.architectures.conformer.runtime import ConformerRuntime
from parrotlet.architectures.conformer.sizes import Conformer, Context
from parrotlet.architectures.conformer.tensors import STORAGE, conformer
from parrotlet.architectures.conformer.transformers_config import KINDS, planned_sizes
from parrotlet.architectures.nemo import class_name
from parrotlet.architectures.storage import choose_types, stored_bytes
from parrotlet.architectures.tensors import Tensor
from parrotlet.errors import CheckpointError, UnsupportedModelError
from parrotlet.memory.configurations import Configuration, Presets
from parrotlet.memory.passes import passes
from parrotlet.memory.report import (
    Component,
    Estimate,
    Item,
    LayerType,
    MemoryReport,
    StreamCaches,
    Workload,
)
from parrotlet.memory.runtime import StoredTensor
from parrotlet.memory.subjects import RUNS_HERE, FamilyPlanner, Request, Subject
from parrotlet.memory.weights import WHOLE, components

FILE = "file"
"""The name of the types that the tensors of a GGUF file have."""

ENCODER, SUBSAMPLING = "encoder", "subsampling"
PROMPT, PREDICTOR, JOINT, CTC_HEAD = "prompt", "predictor", "joint", "ctc head"

# Layer types by name of the tensor, the first that matches: component, layer type
_LAYERS = [
    (re.compile(pattern), component, name)
    for pattern, component, name in (
        (r"encoder\.pre_encode\.", SUBSAMPLING, "Subsampling"),
        (r"encoder\.reduction_subsampling\.", SUBSAMPLING, "Reduction"),
        (r".*\.self_attn\.linear_[qkv]\.", ENCODER, "MHSA Q/K/V"),
        (r".*\.self_attn\.linear_out\.", ENCODER, "MHSA Out"),
        (r".*\.self_attn\.(linear_pos\.|pos_bias)", ENCODER, "MHSA Position"),
        (r".*\.feed_forward[12]\.linear1\.", ENCODER, "FFN Up"),
        (r".*\.feed_forward[12]\.linear2\.", ENCODER, "FFN Down"),
        (r".*\.conv\.", ENCODER, "Conformer Conv"),
        (r".*\.norm_", ENCODER, "Layer Norms"),
        (r"decoder\.prediction\.", PREDICTOR, "Predictor"),
        (r"joint\.", JOINT, "Joint"),
        (r"prompt_kernel\.", PROMPT, "Prompt Kernel"),
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
    "Prompt Kernel",
    "Joint",
    "Predictor",
    "CTC Head",
    "Subsampling",
    "Reduction",
)
_BUFFERS = ("preprocessor.",)
_STATISTICS = (".running_mean", ".running_var")


class ConformerSubject(Subject):
    """A model; `stored` are the types of the tensors of a GGUF file, by name."""

    settings = RUNS_HERE

    def __init__(
        self, sizes: Conformer, name: str, source: str, stored: Mapping[str, str] | None = None
    ) -> None:
        """`source` is what messages call the description of the model."""
        super().__init__(name, source)
        self.sizes = sizes
        self.stored = stored

    def report(self, request: Request) -> MemoryReport:
        """What the model needs.

        Raises UnsupportedModelError where streaming is asked of a model that cannot, and ValueError
        for a right context or a type that it has not.
        """
        sizes, workload = self.sizes, request.workload()
        tensors = conformer(sizes)
        held = self._tensors_by_type(tensors)
        types = (*held, "int8", "int4")
        layers = _layer_table(tensors, held, types, sizes)
        context = _context(sizes, workload, self.source)
        type = request.type or ("q8_0" if self.stored is None else FILE)
        if type not in held:
            raise ValueError(f"type is {type!r}; this runtime has {', '.join(held)}")
        runtimes = {
            kind: ConformerRuntime(self.source, sizes, each, workload.threads)
            for kind, each in held.items()
        }
        process = request.process()
        return MemoryReport(
            name=self.name,
            source=self.source,
            kind=_kind(sizes.transducer is not None),
            settings=workload,
            type=type,
            types=types,
            layers=layers,
            components=_in_order(components(layers, types)),
            buffers=sum(4 * math.prod(t.shape) for t in tensors if t.name.startswith(_BUFFERS)),
            estimates={
                kind: _estimate(runtime, kind, workload, context, process)
                for kind, runtime in runtimes.items()
            },
            stream_caches=_stream_caches(runtimes[type]),
            notes=_notes(sizes),
        )

    def _tensors_by_type(self, tensors: Sequence[Tensor]) -> dict[str, dict[str, StoredTensor]]:
        """The tensors by name as they are at each type, and first as a file has them."""
        found = {}
        if self.stored is not None:
            shapes = {tensor.name: tensor.shape for tensor in tensors}
            found[FILE] = {
                name: StoredTensor(shapes[name], kind)
                for name, kind in self.stored.items()
                if name in shapes
            }
        for type in _core.types():
            found[type] = {
                chosen.tensor.name: StoredTensor(chosen.tensor.shape, chosen.type)
                for chosen in choose_types(tensors, STORAGE, type)
            }
        return found


class ConformerPlanner(FamilyPlanner[Conformer]):
    """Knows NeMo's configurations, and those of `transformers` whose modules are NeMo's."""

    presets = Presets("parrotlet.architectures.conformer")
    recognises = "a NeMo configuration has 'target' and 'encoder'"

    def kind(self, values: Mapping[str, Any], source: str) -> str:
        """Either "transducer" or "ctc"; empty for a configuration of another kind."""
        if _is_nemo(values):
            nemo_class = class_name(str(values.get("target", "")))
            both = "decoder" in values and "joint" in values
            return _kind(MODEL_CLASSES.get(nemo_class, (both,))[0])
        return KINDS.get(str(values.get("model_type")), "")

    def configured(self, configuration: Configuration) -> Subject:
        """The model of a configuration; raises CheckpointError and UnsupportedModelError."""
        values, name, source = configuration.values, configuration.name, configuration.source
        if not _is_nemo(values):
            sizes = planned_sizes(values, source, configuration.processor)
            return ConformerSubject(sizes, name, source)
        try:
            found = model_config(values)
        except (CheckpointError, UnsupportedModelError) as error:
            raise error.__class__(f"{source}: {error}") from error.__cause__
        if not found.vocab_sizes:
            key = "joint.num_classes" if found.sizes.transducer else "decoder.num_classes"
            raise CheckpointError(
                f"{source}: model_config.yaml has no value for {key!r}, the size of the vocabulary"
            )
        return ConformerSubject(found.sizes, name, source)

    def preset_names(self) -> Iterable[str]:
        """Published checkpoints, and configurations in YAML."""
        return (*PRESETS, *super().preset_names())

    def preset(self, name: str) -> Subject | None:
        """The preset of a name."""
        wanted = name.rpartition("/")[2]
        if wanted in PRESETS:
            return ConformerSubject(PRESETS[wanted], wanted, wanted)
        return super().preset(name)

    def sized(
        self, sizes: Conformer, name: str, source: str, stored: Mapping[str, str] | None = None
    ) -> Subject:
        """The model of a checkpoint or a GGUF file."""
        return ConformerSubject(sizes, name, source, stored)


def _is_nemo(values: Mapping[str, Any]) -> bool:
    return "nemo." in str(values.get("target", "")) or (
        isinstance(values.get("encoder"), Mapping) and "preprocessor" in values
    )


def _kind(transducer: bool) -> str:
    return "transducer" if transducer else "ctc"


# Counts -------------------------------------------------------------------------------------


def _layer_table(
    tensors: Iterable[Tensor],
    held: Mapping[str, Mapping[str, StoredTensor]],
    types: Sequence[str],
    config: Conformer,
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
        for type, each in held.items():
            stored = each[tensor.name]
            sizes[type] += stored_bytes(stored.type, stored.shape)
    rows = []
    for component, name in sorted(parameters, key=lambda group: _ORDER.index(group[1])):
        sources = parameters[component, name]
        count, sizes = sum(sources.values()), bytes[component, name]
        for type in ("int8", "int4"):
            sizes[type] = math.ceil(count * WHOLE[type])
        rows.append(LayerType(component, _title(name, config), _layers(name, config), count, sizes))
    return tuple(rows)


def _group(name: str) -> tuple[str, str]:
    for pattern, component, layer in _LAYERS:
        if pattern.match(name):
            return component, layer
    raise AssertionError(f"{name} has no layer type")


def _title(name: str, config: Conformer) -> str:
    """Predictor and joint are called after the transducer they belong to."""
    if name not in ("Predictor", "Joint"):
        return name
    return f"{'TDT' if config.transducer and config.transducer.durations else 'RNNT'} {name}"


def _layers(name: str, config: Conformer) -> int:
    """How many layers of a type there are; each block has two feed-forward modules."""
    if name in ("Subsampling", "Reduction", "Prompt Kernel", "Predictor", "Joint", "CTC Head"):
        return 1
    return config.encoder.layers * (2 if name.startswith("FFN") else 1)


def _in_order(found: Iterable[Component]) -> tuple[Component, ...]:
    order = (SUBSAMPLING, ENCODER, PROMPT, PREDICTOR, JOINT, CTC_HEAD)
    return tuple(sorted(found, key=lambda component: order.index(component.name)))


def _notes(config: Conformer) -> tuple[str, ...]:
    if config.encoder.conv_norm == "layer_norm":
        return ()
    return ("BatchNorm is folded into the convolution before it when a checkpoint is converted",)


# Memory in use ------------------------------------------------------------------------------


def _context(config: Conformer, workload: Workload, source: str) -> Context:
    contexts = config.encoder.attention_contexts
    if workload.mode == "streaming" and not config.can_stream:
        raise UnsupportedModelError(
            f"{source}: the model was not trained for streaming; plan it for offline use"
        )
    if workload.attention_window is not None:
        if config.attention_window_obstacle:
            raise UnsupportedModelError(
                f"{source}: the model {config.attention_window_obstacle}; leave attention_window "
                "out"
            )
        return workload.attention_window, workload.attention_window
    if workload.mode == "streaming" and config.chunk_contexts is not None:
        return contexts[0]  # any right context; see _buffered
    if workload.right_context is None:
        return contexts[0]
    for context in contexts:
        if context[1] == workload.right_context:
            return context
    known = ", ".join(str(right) for _, right in contexts)
    raise ValueError(f"right_context is {workload.right_context}; the model has {known}")


def _estimate(
    runtime: ConformerRuntime, type: str, workload: Workload, context: Context, process: int
) -> Estimate:
    work = _offline
    if workload.mode == "streaming":
        work = _streaming if runtime.config.chunk_contexts is None else _buffered
    items = [
        Item("process", "Python and libraries", process),
        Item("weights", "packed weights", runtime.weights()),
        *work(runtime, workload, context),
    ]
    return Estimate(type, tuple(item for item in items if item.bytes))


def _offline(runtime: ConformerRuntime, workload: Workload, context: Context) -> list[Item]:
    features, d_model = runtime.config.features, runtime.config.encoder.d_model
    divided = passes(workload.seconds, workload.threads, workload.attention_window)
    samples = int(divided.seconds * features.sample_rate)
    recording = int(divided.held_seconds * features.sample_rate)
    frames, encoded, positions = runtime.recording(samples, context)
    mels = frames * features.mel_bands * 4
    output = encoded * d_model * 4
    at_once = workload.batch * divided.at_once
    scratch = runtime.scratch(at_once, workload.threads)
    return [
        Item("caches", "positions", positions),
        Item("input", "recording", workload.batch * recording * 4),
        Item("input", "samples", at_once * samples * 4),
        Item("input", "features and frames", at_once * (mels + output)),
        Item("activations", "scratch memory", scratch),
    ]


def _streaming(runtime: ConformerRuntime, workload: Workload, context: Context) -> list[Item]:
    features = runtime.config.features
    positions = runtime.stream_positions(context)
    keys, histories = runtime.stream_caches(context)
    batch = workload.batch
    in_step, steps = (batch, 1) if workload.together else (1, batch)
    runtime.stream_step(context, in_step)
    piece = min(int(workload.seconds * features.sample_rate), features.sample_rate)
    scratch = runtime.scratch(steps, workload.threads)
    return [
        Item("caches", "keys and values", batch * keys),
        Item("caches", "convolutions", batch * histories),
        Item("caches", "positions", positions),
        Item("input", "samples", batch * 2 * piece * 4),
        Item("activations", "scratch memory", scratch),
    ]


def _buffered(runtime: ConformerRuntime, workload: Workload, context: Context) -> list[Item]:
    config, contexts = runtime.config, runtime.config.chunk_contexts
    assert contexts is not None
    features = config.features
    size = contexts.choose(None, None, workload.right_context)
    samples = size.total * config.subsampling_factor * features.hop_length
    frames, encoded, positions = runtime.recording(samples, (size.left, size.right, size.chunk))
    piece = min(int(workload.seconds * features.sample_rate), features.sample_rate)
    window = 4 * (samples + frames * features.mel_bands + encoded * config.d_model)
    scratch = runtime.scratch(workload.batch, workload.threads)
    return [
        Item("caches", "positions", positions),
        Item("caches", "windows", workload.batch * window),
        Item("input", "samples", workload.batch * 2 * piece * 4),
        Item("activations", "scratch memory", scratch),
    ]


def _stream_caches(runtime: ConformerRuntime) -> tuple[StreamCaches, ...]:
    config = runtime.config
    if not config.can_stream or config.chunk_contexts is not None:
        return ()
    features = config.features
    frame = config.subsampling_factor * features.hop_length / features.sample_rate
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


PLANNER = ConformerPlanner()
