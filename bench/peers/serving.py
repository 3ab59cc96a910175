"""The worker's side of a measurement: one process, one loaded model, one request at a time.

A worker is a script that calls `serve`. Requests come on standard input and replies go to standard
output, one JSON object a line; whatever else the runtime prints goes to standard error. Needs
NumPy only, because it runs in the environment of each peer.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Runtime(Protocol):
    """A loaded model. Features are float32 [frames, mels], encoded float32 [frames', d_model]."""

    about: dict[str, Any]
    """Versions and settings, for the record."""

    def encoder_input(self, features: np.ndarray) -> Any:
        """Bring features into the layout that the runtime takes; not timed."""

    def encode(self, prepared: Any) -> Any:
        """Run the encoder; timed."""

    def encoded(self, output: Any) -> np.ndarray:
        """Make an array of what `encode` returned; not timed."""

    def transcribe(self, samples: np.ndarray) -> str:
        """Run the whole pipeline on samples [n] at 16 kHz; timed."""


def serve(load: Callable[[], Runtime]) -> None:
    """Load a model, say how long that took, and answer requests until standard input ends.

    The requests: {"do": "encode", "input": features.npy, "output": file or null},
    {"do": "transcribe", "input": samples.npy}, both answered with {"seconds", "cpu_seconds"}, and
    {"do": "memory"}, answered with {"peak_bytes"}.
    """
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    start = time.perf_counter()
    runtime = load()
    reply({"load_seconds": time.perf_counter() - start, "about": runtime.about})
    for line in sys.stdin:
        reply(_answer(runtime, json.loads(line)))


def _answer(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "memory":
        return {"peak_bytes": peak_memory()}
    array = np.load(request["input"])
    if request["do"] == "transcribe":
        return _timed(lambda: runtime.transcribe(array))[1]
    prepared = runtime.encoder_input(array)
    output, times = _timed(lambda: runtime.encode(prepared))
    if request["output"]:
        np.save(request["output"], np.ascontiguousarray(runtime.encoded(output)))
    return times


def _timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    # ru_maxrss would start at the memory of the process that started this one.
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
