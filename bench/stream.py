"""Time per chunk of cache-aware streaming, beside the time that memory alone would take.

    python bench/stream.py [--preset NAME | --model MODEL.gguf] [--types q8_0 q4_k] [--threads N]

Without --model, random weights of the preset's true shapes are written to a temporary file. One
chunk is right + 1 encoder frames of 80 ms; its encoder time is measured, median and 99th
percentile. Every chunk reads every weight once, so `memory` is what reading the file's bytes takes
at the bandwidth that this machine shows for a plain sum over an array: no implementation that
keeps its weights in memory can be faster. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import parrotlet
from parrotlet import _core
from parrotlet.bench import preset_names
from parrotlet.conversion import synthesize

DEFAULT_PRESET = "nemotron-speech-streaming-en-0.6b"
WARM_UP = 5  # chunks that are not counted
FRAME_MS = 80


def read_bandwidth(threads: int) -> float:
    """Bytes per second at which `threads` threads read memory: the best of several sums."""
    parts = [np.ones(1 << 26, np.float32) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(7):
            start = time.perf_counter()
            list(pool.map(np.max, parts))
            best = max(best, sum(p.nbytes for p in parts) / (time.perf_counter() - start))
    return best


def chunk_times(model: _core.Model, left: int, right: int, chunks: int) -> np.ndarray:
    """Seconds of each feed() that completes one chunk."""
    rng = np.random.default_rng(0)
    stream = _core.Stream(model, left, right)
    samples = 1280 * (right + 1)
    times = []
    for _ in range(chunks + WARM_UP):
        piece = rng.standard_normal(samples).astype(np.float32) / 20
        start = time.perf_counter()
        stream.feed(piece)
        times.append(time.perf_counter() - start)
    return np.array(times[WARM_UP:])


def measure(path: Path, kind: str, threads: int, chunks: int, bandwidth: float) -> None:
    """Print one row per right context of the model."""
    info = _core.GgufFile(str(path))
    weights = sum(t.n_bytes for t in info.tensors if t.name.startswith("encoder."))
    memory_ms = weights / bandwidth * 1e3
    model = _core.Model(str(path), threads)
    contexts = model.metadata["conformer.attention.contexts"]
    for left, right in sorted(zip(contexts[::2], contexts[1::2], strict=True), key=lambda c: c[1]):
        times = chunk_times(model, left, right, chunks) * 1e3
        median, slowest = np.median(times), np.percentile(times, 99)
        audio = FRAME_MS * (right + 1)
        print(
            f"| {kind} | {audio} | {median:.1f} | {slowest:.1f} | {memory_ms:.1f} "
            f"| {memory_ms / median:.0%} | {audio / median:.1f} |",
            flush=True,
        )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(preset_names()), default=DEFAULT_PRESET)
    parser.add_argument("--model", type=Path, help="measure this file instead")
    parser.add_argument("--types", nargs="+", default=["q8_0"], choices=_core.types())
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunks", type=int, default=100)
    args = parser.parse_args()
    bandwidth = read_bandwidth(args.threads)
    print(
        f"parrotlet {parrotlet.__version__}, {_core.isa()}, {args.threads} threads; "
        f"memory is read at {bandwidth / 1e9:.1f} GB/s\n"
    )
    print("| type | chunk, ms | median, ms | 99th percentile | memory, ms | share | x real time |")
    print("|---|---|---|---|---|---|---|")
    if args.model is not None:
        measure(args.model, "file", args.threads, args.chunks, bandwidth)
        return
    with tempfile.TemporaryDirectory() as directory:
        for kind in args.types:
            path = synthesize(args.preset, Path(directory) / f"{kind}.gguf", kind)
            measure(path, kind, args.threads, args.chunks, bandwidth)
            path.unlink()


if __name__ == "__main__":
    main()
