"""Time of LMU models per frame, against the same model in PyTorch, in one process.

    python bench/lmu.py [--size production] [--types f32 f16 q8_0] [--threads N]

needs PyTorch beside parrotlet. Weights are random, features are noise. Both encoders take turns,
and the fastest of several rounds counts. Without attention the time of a frame is that of its
recurrent steps, one per layer, and a share of the products of all frames; PyTorch's is given twice:
with all products inside the loop over frames, as training code has it, and with those of the inputs
ahead of it ("one product"). `stream` is one frame at a time: for parrotlet from the samples on, for
PyTorch the encoder alone. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lmu_torch import SIZES, Config, Encoder, Lmu, LmuAsr

import parrotlet
from parrotlet import _core

ROUNDS = 5
STREAMED = 300  # frames
HOP = 160


def fastest(*runs: Callable[[], object]) -> list[float]:
    """Seconds of each function at its best, the functions taking turns."""
    best = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def loop_of_cells(lmu: Lmu, x: torch.Tensor) -> torch.Tensor:
    """`Lmu.forward` with every product inside the loop."""
    h, m = lmu.cell.start(x)
    out = []
    for t in range(x.shape[1]):
        h, m = lmu.cell(x[:, t], h, m)
        out.append(h)
    return torch.stack(out, 1)


def in_loop(encoder: Encoder, x: torch.Tensor) -> torch.Tensor:
    """An encoder without attention, with `loop_of_cells`."""
    x = encoder.input_projection(x)
    for lmu, norm in zip(encoder.lmu_layers, encoder.layer_norms, strict=True):
        x = norm(loop_of_cells(lmu, x))
    return encoder.output_projection(x)


def stepwise(encoder: Encoder, x: torch.Tensor) -> None:
    """The same, frame by frame through all layers, as a stream has to."""
    states = [lmu.cell.start(x) for lmu in encoder.lmu_layers]
    for t in range(x.shape[1]):
        y = encoder.input_projection(x[:, t])
        for i, (lmu, norm) in enumerate(zip(encoder.lmu_layers, encoder.layer_norms, strict=True)):
            states[i] = lmu.cell(y, *states[i])
            y = norm(states[i][0])
        encoder.output_projection(y)


def convert(model: LmuAsr, config: Config, directory: Path, kind: str) -> _core.Model:
    """The model in parrotlet, with features that need no recording to be normalised."""
    checkpoint = directory / "checkpoint.pt"
    settings = config.settings(normalize="none")
    torch.save({"model_state_dict": model.state_dict(), "config": settings}, checkpoint)
    return parrotlet.convert(checkpoint, directory / f"{kind}.gguf", type=kind)


def streamed(model: _core.Model) -> Callable[[], None]:
    """Feeding noise, a frame's worth of samples at a time."""
    samples = np.random.default_rng(0).standard_normal((STREAMED, HOP)).astype(np.float32) / 20

    def run() -> None:
        stream = _core.Stream(model, -1, 0)
        for piece in samples:
            stream.feed(piece)

    return run


def measure(config: Config, args: argparse.Namespace, directory: Path) -> None:
    """Print the rows of one model."""
    model = LmuAsr(config).eval()
    x = torch.randn(1, args.frames, config.input_size)
    runs: dict[str, Callable[[], object]] = {}
    streams: dict[str, Callable[[], object]] = {}
    if config.use_attention or config.fft:
        runs["PyTorch, f32"] = lambda: model.encoder(x)
    else:
        runs["PyTorch, f32"] = lambda: in_loop(model.encoder, x)
        runs["PyTorch, f32, one product"] = lambda: model.encoder(x)
        streams["PyTorch, f32"] = lambda: stepwise(model.encoder, x[:, :STREAMED])
    loaded = {}
    for kind in args.types:
        path = convert(model, config, directory, kind)
        loaded[kind] = _core.Model(str(path), args.threads)
        runs[f"parrotlet, {kind}"] = lambda m=loaded[kind]: m.encode(x[0].numpy(), -1, -1)
        if loaded[kind].can_stream:
            streams[f"parrotlet, {kind}"] = streamed(loaded[kind])
    error = np.abs(loaded[args.types[0]].encode(x[0].numpy(), -1, -1) - model.encoder(x)[0].numpy())
    kind = "fft" if config.fft else "attention" if config.use_attention else "recurrent"
    best = dict(zip(runs, fastest(*runs.values()), strict=True))
    live = dict(zip(streams, fastest(*streams.values()), strict=True))
    for name, seconds in best.items():
        frame = seconds / args.frames * 1e6
        stream = f"{live[name] / STREAMED * 1e6:.0f}" if name in live else ""
        print(
            f"| {kind} | {name} | {frame:.1f} | {frame / config.num_lmu_layers:.1f} | {stream} |",
            flush=True,
        )
    print(f"| {kind} | largest difference, {args.types[0]} | {error.max():.1e} | | |", flush=True)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="production")
    parser.add_argument("--types", nargs="+", default=["f32", "f16", "q8_0"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=1000)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    size = SIZES[args.size]
    print(
        f"{args.size}: {size.num_lmu_layers} layers of {size.hidden_size}, memory "
        f"{size.memory_size}; {args.frames} frames, {args.threads} threads; "
        f"parrotlet {parrotlet.__version__} ({_core.isa()}), PyTorch {torch.__version__}\n"
    )
    print("| model | | us a frame | us a frame and layer | stream, us a frame |")
    print("|---|---|---|---|---|")
    recurrent = replace(size, use_attention=False)
    variants = (recurrent, replace(recurrent, fft=True, seq_len=args.frames), size)
    with tempfile.TemporaryDirectory() as directory:
        for config in variants:
            measure(config, args, Path(directory))


if __name__ == "__main__":
    main()
