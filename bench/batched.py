"""A folder of short recordings, transcribed together and each alone, in alternation.

    python bench/batched.py [--preset NAME | --model MODEL.gguf] [--types q8_0 f32]
                            [--clips 200] [--seconds 3] [--together 6 12 24] [--rounds 8]

Windows that wait share the passes through the encoder, up to a limit in seconds of sound
(`parrotlet.longform.limits.TOGETHER_SECONDS`). Each round transcribes the folder once at every
limit, 0 among them, in an order that turns from round to round. Prints, for each limit, the median
over the rounds of the time that 0 took in the same round divided by its own: above 1, together is
faster. Lengths are spread evenly from half of --seconds to one and a half times as much. Without
--model, random weights of the preset's true shapes are written to a temporary file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

import parrotlet
from parrotlet import _core
from parrotlet.bench import preset_names
from parrotlet.bench.sound import speech_like
from parrotlet.conversion import synthesize
from parrotlet.longform import limits

DEFAULT_PRESET = "parakeet-tdt-0.6b-v2"
SAMPLE_RATE = 16_000


def write_clips(directory: Path, count: int, seconds: float) -> list[Path]:
    """Write recordings of lengths around `seconds`, in an order without a trend."""
    lengths = np.linspace(0.5, 1.5, count) * seconds * SAMPLE_RATE
    sound = speech_like(int(lengths.max()) + count * 100, SAMPLE_RATE)
    paths = []
    for i, length in enumerate(np.random.default_rng(0).permutation(lengths)):
        path = directory / f"{i:04}.wav"
        soundfile.write(path, sound[i * 100 :][: int(length)], SAMPLE_RATE)
        paths.append(path)
    return paths


def transcribe(model: parrotlet.Model, clips: list[Path], together: float) -> float:
    """Seconds that the folder takes."""
    limits.TOGETHER_SECONDS = together
    start = time.perf_counter()
    for outcome in model.transcribe_batch(clips):
        if outcome.error is not None:
            raise outcome.error
    return time.perf_counter() - start


def measure(path: Path, kind: str, clips: list[Path], args: argparse.Namespace) -> None:
    """Print one row for each limit."""
    model = parrotlet.load(path, threads=args.threads)
    choices = [0.0, *args.together]
    transcribe(model, clips[: len(clips) // 4], max(choices))  # memory is there, clocks are up
    times: dict[float, list[float]] = {choice: [] for choice in choices}
    for turn in range(args.rounds):
        first = turn % len(choices)
        for choice in choices[first:] + choices[:first]:
            times[choice].append(transcribe(model, clips, choice))
    for choice in choices:
        ratios = [alone / own for alone, own in zip(times[0.0], times[choice], strict=True)]
        print(
            f"| {kind} | {choice:g} | {median(times[choice]):.2f} | {median(ratios):.3f} "
            f"| {min(ratios):.3f} to {max(ratios):.3f} |",
            flush=True,
        )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(preset_names()), default=DEFAULT_PRESET)
    parser.add_argument("--model", type=Path, help="measure this file instead")
    parser.add_argument("--types", nargs="+", default=["q8_0", "f32"], choices=_core.types())
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--together", nargs="+", type=float, default=[6.0, 12.0, 24.0])
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    print(
        f"parrotlet {parrotlet.__version__}, {_core.isa()}, {args.threads} threads, "
        f"{args.clips} clips of about {args.seconds:g} s\n"
    )
    print("| type | together, s | folder, s | x alone | least to most |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        clips = write_clips(Path(directory), args.clips, args.seconds)
        if args.model is not None:
            measure(args.model, "file", clips, args)
            return
        for kind in args.types:
            path = synthesize(args.preset, Path(directory) / f"{kind}.gguf", kind)
            measure(path, kind, clips, args)
            path.unlink()


if __name__ == "__main__":
    main()
