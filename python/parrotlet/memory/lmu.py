"""LMU models: Legendre Memory Units with self-attention before them, and CTC."""

from __future__ import annotations

from collections.abc import Mapping

from parrotlet import _core
from parrotlet.cpus import usable_cores
from parrotlet.errors import UnsupportedModelError
from parrotlet.memory.lmu_runtime import LmuRuntime
from parrotlet.memory.lmu_sizes import FLOAT, Lmu
from parrotlet.memory.passes import passes
from parrotlet.memory.process import baseline
from parrotlet.memory.report import Estimate, Item, Report, Settings, Training
from parrotlet.memory.weights import TYPES, components, layer_types

FRAME_RATE = 100
DEFAULT_SECONDS = 60.0
TRAINING_SECONDS = 5.0


def plan(
    model: Lmu,
    settings: Settings,
    *,
    name: str,
    source: str,
    type: str,
    training_seconds: float | None = None,
) -> Report:
    """Report on a model; training is on recordings of 5 s unless told.

    Raises UnsupportedModelError for streaming a model with attention, and ValueError for a type
    that does not run here.
    """
    if settings.mode == "streaming" and model.attention:
        raise UnsupportedModelError(
            f"{source}: every frame attends to the whole recording, so the model cannot stream; "
            "one without attention can"
        )
    if type not in _core.types():
        raise ValueError(f"type is {type!r}; this runtime has {', '.join(_core.types())}")
    weights = model.weights()
    layers = layer_types(weights, TYPES)
    parts = components(layers, TYPES)
    return Report(
        name=name,
        source=source,
        kind="ctc",
        settings=settings,
        type=type,
        types=TYPES,
        layers=layers,
        components=parts,
        buffers=model.buffers,
        estimates={kind: _estimate(model, kind, settings) for kind in _core.types()},
        training=_training(
            model,
            sum(part.parameters for part in parts),
            TRAINING_SECONDS if training_seconds is None else training_seconds,
            settings.batch,
        ),
        notes=("A and B of each layer are buffers and not among the parameters",),
    )


def stored_type(tensors: Mapping[str, str]) -> str:
    """The type that the matrices of a file's first layer were asked for, by its tensors' types."""
    matrices = ("cell.W_x", "W_h.weight")
    names = (f"encoder.lmu_layers.0.{name}" for name in matrices)
    return next((tensors[name] for name in names if name in tensors), "f32")


def settings(seconds: float | None, batch: int, threads: int | None, mode: str) -> Settings:
    """Settings with what was left out filled in."""
    return Settings(
        seconds=DEFAULT_SECONDS if seconds is None else seconds,
        batch=batch,
        threads=usable_cores() if threads is None else threads,
        mode=mode,
    )


def _frames(seconds: float) -> int:
    return max(1, int(seconds * FRAME_RATE))


def _estimate(model: Lmu, type: str, settings: Settings) -> Estimate:
    runtime = LmuRuntime(model, type, settings.threads)
    at_once, recording = settings.batch, 0
    if settings.mode == "streaming":
        kept = runtime.streaming(settings.seconds)
    else:
        divided = passes(settings.seconds, settings.threads)
        kept = runtime.offline(divided.seconds)
        recording = int(divided.beside * model.features.sample_rate) * FLOAT
        at_once *= divided.at_once
    items = [
        Item("process", "Python and libraries", baseline()),
        Item("weights", "packed weights", runtime.weights()),
        Item("caches", "hidden states and memories", at_once * model.state),
        *(Item("input", name, at_once * size) for name, size in kept.items()),
        Item("input", "recording", settings.batch * recording),
        Item("activations", "scratch memory", runtime.scratch(at_once, settings.threads)),
    ]
    return Estimate(type, tuple(item for item in items if item.bytes))


def _training(model: Lmu, parameters: int, seconds: float, batch: int) -> Training:
    return Training(
        seconds=seconds,
        batch=batch,
        weights=4 * parameters,
        gradients=4 * parameters,
        optimizer=8 * parameters,
        activations=batch * model.saved(_frames(seconds)),
        mixed_precision=(4 + 2 + 8) * parameters,
    )
