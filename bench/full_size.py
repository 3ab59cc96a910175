"""What a type does to an encoder of full size: its output beside that of f32, size and speed.

The weights are random. What the type of trained weights costs in words is for a trained model to
say; how far an encoder of 24 layers drifts, how large its file is and how long it takes do not
depend on training, or hardly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import parrotlet
from parrotlet import bench
from parrotlet.bench.sound import speech_like

COSINE_SECONDS = 20.0
"""Length of the signal that encoders are compared on."""


@dataclass(frozen=True)
class FullSize:
    """One type: bytes of the file, cosine of encoder frames with those of f32, speed."""

    file_bytes: int
    mean_cosine: float
    lowest_cosine: float
    times_real_time: float


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of each frame of a with the same frame of b, both [frames, d_model]."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray((x * y).sum(axis=1) / norms)


def measure(
    preset: str,
    types: list[str],
    settings: bench.Settings,
    started: Callable[[str], None],
) -> Iterator[FullSize]:
    """Yield the figures of each type, in order; `started` is called with what is being done."""
    started(f"{preset} f32")
    with bench.random_model(preset, "f32") as path:
        exact = _encode(path, settings)
        of_f32 = _figures(path, settings, exact, exact) if "f32" in types else None
    for type in types:
        if type == "f32" and of_f32 is not None:
            yield of_f32
            continue
        started(f"{preset} {type}")
        with bench.random_model(preset, type) as path:
            figures = _figures(path, settings, exact, _encode(path, settings))
        yield figures


def _figures(
    path: Path,
    settings: bench.Settings,
    exact: NDArray[np.float32],
    encoded: NDArray[np.float32],
) -> FullSize:
    found = cosines(exact, encoded)
    speed = bench.run(path, settings, random_weights=True).times_real_time
    return FullSize(path.stat().st_size, float(found.mean()), float(found.min()), speed)


def _encode(path: Path, settings: bench.Settings) -> NDArray[np.float32]:
    model = parrotlet.load(path, threads=settings.threads)
    samples = speech_like(round(COSINE_SECONDS * model.sample_rate), model.sample_rate)
    return model.encode(model.features(samples))
