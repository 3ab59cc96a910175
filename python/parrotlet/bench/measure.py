"""Loading a model, passes over a recording, and the report of them."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet import _core
from parrotlet.architectures import optional_part, sizes_in
from parrotlet.architectures.work import Pass, Steps, Work
from parrotlet.audio import describe, read_audio
from parrotlet.bench import machine
from parrotlet.bench.report import Report, Stage
from parrotlet.bench.sound import speech_like
from parrotlet.bench.synthetic import random_model
from parrotlet.bench.timed import TimedModel, Timing
from parrotlet.decoding.options import Decoding
from parrotlet.decoding.phrases import Phrases
from parrotlet.model_files import model_file
from parrotlet.progress import ShareProgress

SYNTHETIC = "synthetic speech"

MEASURED_AGAIN = 3
"""Times that the machine's limits are measured once more, while a stage is faster than they are."""

LOADED, WARM, PASSED = 0.05, 0.25, 0.9
"""Shares of the progress at which the model is loaded, the first pass and the last one done."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    The recording is `seconds` long: a signal that resembles speech, or the file `audio`, cut or
    repeated. `threads`, `decoding`, `right_context` and `attention_window` are as for `load` and
    `Model.transcribe`.
    One pass over the recording warms up, and `repeat` are measured.
    """

    seconds: float = 60.0
    audio: str | os.PathLike[str] | None = None
    decoding: Decoding | None = None
    right_context: int | None = None
    attention_window: int | None = None
    threads: int | None = None
    repeat: int = 3

    def __post_init__(self) -> None:
        """Raise ValueError for a recording or a repetition of nothing."""
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds is {self.seconds!r}; expected a positive number")
        if self.repeat < 1:
            raise ValueError(f"repeat is {self.repeat!r}; expected a number from 1")


def run(
    model: str | os.PathLike[str] | None = None,
    settings: Settings | None = None,
    *,
    random_weights: bool = False,
    progress: ShareProgress | None = None,
) -> Report:
    """Measure how fast a model transcribes; `model` is as for `load`.

    `random_weights` says that the file's weights are random; a transducer is then made to emit
    tokens at the pace of speech. Raises what `load` and `Model.transcribe` raise.
    """
    settings = settings or Settings()
    report = progress or _no_progress
    path = model_file(model)
    report(0.0, "loading")
    start = time.perf_counter()
    timed = TimedModel(path, settings.threads, paced=random_weights)
    load_seconds = time.perf_counter() - start

    samples = _recording(settings, timed.sample_rate)
    steps, passes = _passes(timed, samples, settings, report)
    median = sorted(passes, key=lambda timing: timing.seconds)[(len(passes) - 1) // 2]

    report(PASSED, "measuring the machine")
    file = _core.GgufFile(str(path))
    head = median.result.head
    context = timed.context(settings.right_context, settings.attention_window)
    work = count_work(file, Pass(len(samples), context, head, steps))
    stages, limits = _compared(timed, median, work)
    report(1.0, "done")
    return Report(
        model=timed.name,
        type=_main_type(file),
        random_weights=random_weights,
        file_bytes=path.stat().st_size,
        load_seconds=load_seconds,
        audio=SYNTHETIC if settings.audio is None else describe(settings.audio),
        audio_seconds=median.result.duration,
        head=head,
        search=describe_search(settings.decoding or Decoding()),
        paced=random_weights and head != "ctc",
        tokens=len(median.result.tokens),
        passes=tuple(timing.seconds for timing in passes),
        seconds=median.seconds,
        stages=stages,
        machine=limits,
    )


def _passes(
    timed: TimedModel, samples: NDArray[np.float32], settings: Settings, report: ShareProgress
) -> tuple[Steps, list[Timing]]:
    """Warm up, which counts the steps of the search, and time `settings.repeat` passes."""
    options = (settings.decoding, settings.right_context, settings.attention_window)
    report(LOADED, "warming up")
    steps = timed.time(samples, *options, count=True).steps
    passes = []
    for i in range(settings.repeat):
        share = WARM + (PASSED - WARM) * i / settings.repeat
        report(share, f"pass {i + 1} of {settings.repeat}")
        passes.append(timed.time(samples, *options))
    return steps, passes


def _compared(
    timed: TimedModel, timing: Timing, work: Mapping[str, Work]
) -> tuple[tuple[Stage, ...], machine.Machine]:
    """Measure the machine, and compare the stages of a pass with what it reaches at most."""
    types = sorted({kind for part in work.values() for kind in part})
    limits = machine.measure(timed.isa, timed.threads, types)
    stages = _stages(timing, work, limits)
    for _ in range(MEASURED_AGAIN):
        if all(stage.peak_share is None or stage.peak_share <= 1 for stage in stages):
            break
        limits = machine.measure(timed.isa, timed.threads, types, again=True)
        stages = _stages(timing, work, limits)
    return stages, limits


def run_preset(
    preset: str,
    type: str = "q8_0",
    settings: Settings | None = None,
    progress: ShareProgress | None = None,
) -> Report:
    """Measure a published architecture with random weights, matrices stored as `type`.

    Raises ValueError for an unknown preset or type, and what `run` raises.
    """
    report = progress or _no_progress

    def building(share: float, label: str) -> None:
        report(share / 2, label)

    def measuring(share: float, label: str) -> None:
        report(0.5 + share / 2, label)

    with random_model(preset, type, building) as path:
        return run(path, settings, random_weights=True, progress=measuring)


def describe_search(decoding: Decoding) -> str:
    """Say how tokens are searched for; see `Report.search`."""
    words = ["greedy" if decoding.beam == 1 else f"beam of {decoding.beam}"]
    if decoding.language_model is not None:
        words.append("language model")
    if isinstance(decoding.phrases, Phrases) and len(decoding.phrases):
        words.append(f"{len(decoding.phrases)} phrases")
    return ", ".join(words)


def count_work(file: _core.GgufFile, run: Pass) -> dict[str, Work]:
    """Count the multiply-adds of a pass by stage; nothing for a family that does not count them.

    Raises UnsupportedModelError for an architecture that is not known.
    """
    sizes = sizes_in(file)
    counting = optional_part(sizes.architecture, "work")
    if counting is None:
        return {}
    work: dict[str, Work] = counting.count_work(file, sizes, run)
    return work


def _no_progress(share: float, label: str) -> None:
    pass


def _recording(settings: Settings, sample_rate: int) -> NDArray[np.float32]:
    count = round(settings.seconds * sample_rate)
    if settings.audio is None:
        return speech_like(count, sample_rate)
    return np.resize(read_audio(settings.audio, sample_rate), count)


def _main_type(file: _core.GgufFile) -> str:
    """The type that most weights have."""
    weights: Counter[str] = Counter()
    for tensor in file.tensors:
        weights[tensor.type] += math.prod(tensor.shape)
    return weights.most_common(1)[0][0]


def _stages(timing: Timing, work: Mapping[str, Work], limits: machine.Machine) -> tuple[Stage, ...]:
    """Stages in the order of a pass, without those that the model does not have."""
    return tuple(
        Stage(
            name,
            seconds,
            sum(work.get(name, Work()).values()),
            limits.least_seconds(work.get(name, Work())),
        )
        for name, seconds in timing.stages.items()
        if seconds or name in work
    )
