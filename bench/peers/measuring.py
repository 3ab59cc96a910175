"""Timing loaded runtimes in turns, and making sure that they compute the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from peers import machine, table
from peers.worker import Worker

LARGEST_DIFFERENCE = 1e-3
"""Of two encoders in float32 that are the same model."""

WARM_UP = 1
"""Rounds of a clip that are not counted, after one of its encoders alone."""

Step = Callable[[str], None]
"""Is told what comes next, once before each turn."""


class ComparisonError(Exception):
    """The encoders do not compute the same."""


@dataclass(frozen=True)
class Candidate:
    """A subject, how to start its worker, and the stages to time."""

    subject: table.Subject
    command: list[str]
    model: Path
    stages: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Clip:
    """One length of audio: files with its samples [n] and its features [frames, mels]."""

    seconds: float
    samples: Path
    features: Path


@dataclass
class Outcome:
    """What one clip took everyone."""

    clip: Clip
    rows: list[table.Row]
    disturbance: machine.Disturbance


def turns(candidates: Iterable[Candidate], rounds: int) -> int:
    """Return how often `measure` steps on each clip."""
    stages = [len(candidate.stages) for candidate in candidates]
    return len(stages) + sum(stages) * (WARM_UP + rounds)


def measure(
    workers: Sequence[tuple[Candidate, Worker]],
    clip: Clip,
    rounds: int,
    pause: float,
    step: Step,
) -> Outcome:
    """Time all stages of all workers on one clip, alternating, `pause` seconds before each.

    Raises ComparisonError if encoders that should agree do not.
    """
    errors = _compare(workers, clip, step)
    order = [
        (worker, table.Row(c.subject, stage, clip.seconds, error=errors.get(c.subject)))
        for c, worker in workers
        for stage in c.stages
    ]
    disturbance = machine.Disturbance()
    for number in range(-WARM_UP, rounds):
        counted = number >= 0
        which = f"round {number + 1} of {rounds}" if counted else "warming up"
        for worker, row in order:
            step(f"{clip.seconds:g} s, {which}: {row.subject.name}")
            time.sleep(pause)  # threads of the one before may still wait in loops
            watch = machine.Watch()
            reply = _run(worker, row.stage, clip)
            if counted:
                watch.add_to(disturbance, reply["cpu_seconds"])
                row.seconds.append(reply["seconds"])
    return Outcome(clip, [row for _, row in order], disturbance)


def _run(worker: Worker, stage: str, clip: Clip) -> dict[str, Any]:
    if stage == table.WHOLE:
        return worker.transcribe(clip.samples)
    return worker.encode(clip.features)


def _compare(
    workers: Sequence[tuple[Candidate, Worker]], clip: Clip, step: Step
) -> dict[table.Subject, float]:
    """Run every encoder once, and return what `differences` does."""
    outputs = {}
    for candidate, worker in workers:
        step(f"{clip.seconds:g} s, comparing: {candidate.subject.name}")
        target = clip.features.with_suffix(".encoded.npy")
        worker.encode(clip.features, target)
        outputs[candidate.subject] = np.load(target)
    return differences(outputs)


def reference(subjects: Iterable[table.Subject]) -> table.Subject | None:
    """Whose encoder the others are compared with: NeMo's, or ONNX Runtime's at fp32."""
    peers = [subject for subject in subjects if subject.type == "fp32"]
    return next((s for s in peers if s.runtime == "NeMo"), peers[0] if peers else None)


def differences(outputs: dict[table.Subject, np.ndarray]) -> dict[table.Subject, float]:
    """Return the mean absolute differences of encoders' outputs from the reference's.

    Raises ComparisonError if shapes differ, or values of two encoders in float32.
    """
    standard = reference(outputs)
    if standard is None:
        return {}
    expected = outputs[standard]
    errors = {}
    for subject, got in outputs.items():
        if got.shape != expected.shape:
            raise ComparisonError(
                f"the encoder of {subject.name} gives {got.shape}, that of {standard.name} "
                f"{expected.shape}: they are not the same model"
            )
        difference = np.abs(got - expected)
        # Not `>`: that would let values pass that are not numbers.
        if subject.type in ("fp32", "f32") and not difference.max() <= LARGEST_DIFFERENCE:
            raise ComparisonError(
                f"the encoder of {subject.name} differs from that of {standard.name} by up to "
                f"{difference.max():.1e}: they are not the same model"
            )
        errors[subject] = float(difference.mean())
    return errors
