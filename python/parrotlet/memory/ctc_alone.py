"""Planning models that have a CTC head and nothing else, of whichever family."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from parrotlet import _core
from parrotlet.architectures import Sizes
from parrotlet.errors import UnsupportedModelError
from parrotlet.memory.ctc_runtime import CtcRuntime
from parrotlet.memory.passes import passes
from parrotlet.memory.report import Estimate, Item, MemoryReport, Training, Workload
from parrotlet.memory.runtime import FLOAT
from parrotlet.memory.subjects import RUNS_HERE, Request, Subject
from parrotlet.memory.weights import TYPES, Weight, components, layer_types

S = TypeVar("S", bound=Sizes)
"""Sizes of a family."""


class CtcAloneSubject(Subject, Generic[S]):
    """A model whose matrices are of a type unless another is asked for. A family derives its own,
    which says what the weights are called, and what it holds beside them."""

    settings = RUNS_HERE
    notes: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[str] = "states"
    """What the report calls that which a recording or stream holds in the layers."""

    def __init__(self, sizes: S, name: str, source: str, type: str = "f32") -> None:
        """`source` is what messages call the description of the model."""
        super().__init__(name, source)
        self.sizes = sizes
        self.type = type

    @abstractmethod
    def weights(self) -> list[Weight]:
        """The parameters, in the order of the model."""

    def buffers(self) -> int:
        """Bytes that a file holds beside the parameters, the frontend's tables not counted."""
        return 0

    def state_bytes(self) -> int:
        """Bytes that the layers hold from frame to frame of one recording or stream."""
        return 0

    def training(self, parameters: int, request: Request) -> Training | None:
        """What training takes, where that is known."""
        return None

    def report(self, request: Request) -> MemoryReport:
        """What the model needs.

        Raises UnsupportedModelError where streaming is asked of a model that cannot, and ValueError
        for a type that does not run here.
        """
        workload = replace(request.workload(), right_context=None)
        type = request.type or self.type
        if workload.mode == "streaming" and not self.sizes.can_stream:
            raise UnsupportedModelError(f"{self.source}: the model {self.sizes.streaming_obstacle}")
        if workload.attention_window is not None:
            raise UnsupportedModelError(
                f"{self.source}: the model {self.sizes.attention_window_obstacle}; leave "
                "attention_window out"
            )
        if type not in _core.types():
            raise ValueError(f"type is {type!r}; this runtime has {', '.join(_core.types())}")
        layers = layer_types(self.weights(), TYPES)
        parts = components(layers, TYPES)
        process = request.process()
        return MemoryReport(
            name=self.name,
            source=self.source,
            kind="ctc",
            settings=workload,
            type=type,
            types=TYPES,
            layers=layers,
            components=parts,
            buffers=self.buffers(),
            estimates={kind: self._estimate(kind, workload, process) for kind in _core.types()},
            training=self.training(sum(part.parameters for part in parts), request),
            notes=self.notes,
        )

    def _estimate(self, type: str, workload: Workload, process: int) -> Estimate:
        runtime = CtcRuntime(self.source, self.sizes, type, workload.threads)
        at_once, recording = workload.batch, 0
        if workload.mode == "streaming":
            kept = runtime.streaming(workload.seconds)
        else:
            divided = passes(workload.seconds, workload.threads)
            kept = runtime.offline(divided.seconds)
            recording = int(divided.held_seconds * self.sizes.features.sample_rate) * FLOAT
            at_once *= divided.at_once
        items = [
            Item("process", "Python and libraries", process),
            Item("weights", "packed weights", runtime.weights()),
            Item("caches", self.states, at_once * self.state_bytes()),
            *(Item("input", name, at_once * size) for name, size in kept.items()),
            Item("input", "recording", workload.batch * recording),
            Item("activations", "scratch memory", runtime.scratch(at_once, workload.threads)),
        ]
        return Estimate(type, tuple(item for item in items if item.bytes))
