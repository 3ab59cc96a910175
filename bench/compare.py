"""parrotlet beside ONNX Runtime and NeMo: one checkpoint, one recording, one run, alternating.

    python bench/compare.py parakeet-tdt-0.6b-v2.nemo
    python bench/compare.py parakeet-tdt-0.6b-v2.nemo --types q8_0 --isa native avx2 \
        --onnxruntime 1.23.2 1.31.1 --json compare.json

What is measured, how, and what the columns mean: docs/comparison.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from peers import machine, table
from peers.environments import SCRIPTS, Peers, SetupError
from peers.measuring import (
    Candidate,
    Clip,
    ComparisonError,
    Outcome,
    Step,
    measure,
    reference,
    turns,
)
from peers.worker import Worker, WorkerError
from rich.console import Console
from rich.progress import Progress

import parrotlet
from parrotlet import _core
from parrotlet.audio import read_audio

EXAMPLE = Path(__file__).parent.parent / "examples" / "example.wav"
PEERS = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "parrotlet-peers"
SAMPLE_RATE = 16000
STAGES = {"whole": table.WHOLE, "encoder": table.ENCODER}

ENVIRONMENTS = {
    "native": {"PARROTLET_ISA": ""},
    "avx2": {
        "PARROTLET_ISA": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}
"""What keeps a runtime to an instruction set. ONNX Runtime needs `Peers.onnxruntime_avx2`."""


def candidates(args: argparse.Namespace, peers: Peers, isa: str) -> list[Candidate]:
    """Everyone to measure, parrotlet first. What they need is made if it is missing."""
    found = []
    checkpoint, threads = args.checkpoint, str(args.threads)
    stages = tuple(STAGES[name] for name in args.stages)
    if "parrotlet" in args.runtimes:
        for type in args.types:
            model = peers.gguf(checkpoint, type)
            script = str(SCRIPTS / "serve_parrotlet.py")
            command = [sys.executable, script, str(model), threads]
            found.append(Candidate(table.Subject("parrotlet", type), command, model, stages))
    if "onnxruntime" in args.runtimes:
        directory = peers.onnx(checkpoint, args.onnxruntime[0])
        for version in args.onnxruntime:
            python = str(peers.onnxruntime(version))
            restricted = isa == "avx2" and not args.onnxruntime_unrestricted
            env = {"PYTHONPATH": str(peers.onnxruntime_avx2(version))} if restricted else {}
            for type, name in (("fp32", "encoder.onnx"), ("int8", "encoder.int8.onnx")):
                script, model = str(SCRIPTS / "serve_onnx.py"), directory / name
                command = [python, script, str(model), threads]
                subject = table.Subject(f"ONNX Runtime {version}", type, baseline=True)
                found.append(Candidate(subject, command, model, (table.ENCODER,), env))
    if "nemo" in args.runtimes:
        command = [str(peers.nemo()), str(SCRIPTS / "serve_nemo.py"), str(checkpoint), threads]
        env = {"OMP_NUM_THREADS": threads}
        found.append(Candidate(table.Subject("NeMo", "fp32"), command, checkpoint, stages, env))
    return found


def clips(args: argparse.Namespace, peers: Peers, directory: Path) -> list[Clip]:
    """Cut or repeat the recording to every length, and compute its features."""
    recording = read_audio(args.audio, SAMPLE_RATE)
    model = parrotlet.load(peers.gguf(args.checkpoint, args.types[0]), threads=args.threads)
    found = []
    for seconds in args.seconds:
        clip = Clip(seconds, directory / f"{seconds}-samples.npy", directory / f"{seconds}.npy")
        samples = np.resize(recording, round(seconds * SAMPLE_RATE))  # repeats
        np.save(clip.samples, samples)
        np.save(clip.features, model.features(samples))
        found.append(clip)
    return found


@contextmanager
def progress_bar(total: int) -> Iterator[Step]:
    """Give a function that moves a bar on standard error by one, with what comes next beside it.

    Where standard error is no terminal, it prints a line when what comes next is of another round.
    """
    console = Console(stderr=True)
    done, last = -1, ""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)

        def step(what: str) -> None:
            nonlocal done, last
            done += 1
            progress.update(task, completed=done, description=what)
            phase = what.partition(":")[0]
            if not console.is_terminal and phase != last:
                say(f"{phase} ({done} of {total} runs done)")
            last = phase

        yield step


def load(
    stack: ExitStack, everyone: Sequence[Candidate], loads: int, isa: str, scratch: Path
) -> list[tuple[Candidate, Worker, list[float]]]:
    """Load everyone `loads` times, alternating; return the last workers and all seconds."""
    seconds: list[list[float]] = [[] for _ in everyone]
    workers = []
    for number in range(loads):
        for place, candidate in enumerate(everyone):
            say(f"loading {candidate.subject.name} ({number + 1} of {loads})")
            env = {**ENVIRONMENTS[isa], **candidate.env}
            worker = Worker(candidate.command, candidate.model, env, scratch / f"{place}.log")
            seconds[place].append(worker.load_seconds)
            if number < loads - 1:
                worker.close()
            else:
                workers.append((candidate, stack.enter_context(worker), seconds[place]))
    return workers


def compare(args: argparse.Namespace, peers: Peers, isa: str) -> dict[str, Any]:
    """Measure with one instruction set, print its tables, and return them as JSON."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        everyone = candidates(args, peers, isa)
        audio = clips(args, peers, scratch)
        loaded = load(stack, everyone, args.loads, isa, scratch)
        workers = [(candidate, worker) for candidate, worker, _ in loaded]
        outcomes = []
        with progress_bar(turns(everyone, args.rounds) * len(audio)) as step:
            for clip in audio:
                outcomes.append(measure(workers, clip, args.rounds, args.pause, step))
        loadings = [
            table.Loading(c.subject, w.model_bytes, median(seconds), w.peak_bytes())
            for c, w, seconds in loaded
        ]
        versions = {c.subject.name: w.about for c, w in workers}
    print_tables(args, isa, versions, outcomes, loadings)
    return {
        "isa": isa,
        "versions": versions,
        "loading": [asdict(entry) for entry in loadings],
        "clips": [
            {
                "audio_seconds": outcome.clip.seconds,
                "disturbance": outcome.disturbance.share,
                "rows": table.record(outcome.rows),
            }
            for outcome in outcomes
        ],
    }


def print_tables(
    args: argparse.Namespace,
    isa: str,
    versions: dict[str, dict[str, Any]],
    outcomes: Sequence[Outcome],
    loadings: Sequence[table.Loading],
) -> None:
    """Print what `compare` measured as Markdown."""
    print(f"\nInstruction set: {isa}\n")
    for about in {json.dumps(about): about for about in versions.values()}.values():
        print(f"- {', '.join(f'{key} {value}' for key, value in about.items())}")
    if isa == "avx2" and "onnxruntime" in args.runtimes and args.onnxruntime_unrestricted:
        print("- ONNX Runtime is not kept from other instruction sets")
    for outcome in outcomes:
        standard = reference(row.subject for row in outcome.rows)
        print(
            f"\n{outcome.clip.seconds:g} s of audio, {args.threads} threads, {args.rounds} rounds; "
            f"others took {outcome.disturbance.share:.0%} of the processors' time\n"
        )
        print(table.speed_table(outcome.rows, standard.name if standard else None))
    if len(outcomes) > 1:
        print("\nSpeed by length of the recording, in multiples of real time\n")
        print(table.length_table([outcome.rows for outcome in outcomes]))
    times = "once" if args.loads == 1 else f"{args.loads} times, median"
    print(f"\nLoading ({times}), file in the page cache; peak memory of the process\n")
    print(table.loading_table(loadings), flush=True)


def say(message: str) -> None:
    """Print what is being done."""
    print(message, file=sys.stderr, flush=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(json.dumps(content, indent=1) + "\n")
    scratch.replace(path)


def at_least(least: int) -> Any:
    """Return an argparse type: integers from `least` on."""

    def integer(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return integer


def length(text: str) -> float:
    """Is an argparse type: a length of audio that has at least a few frames."""
    if not float(text) >= 0.1:
        raise argparse.ArgumentTypeError(f"{text} is not a length of at least 0.1 seconds")
    return float(text)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line, and refuse what is missing before anything is installed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    runtimes = ["parrotlet", "onnxruntime", "nemo"]
    types = ["f32", "f16", "q8_0", "q4_k"]
    add("checkpoint", type=Path, help="a .nemo file")
    add("--runtimes", nargs="+", choices=runtimes, default=runtimes)
    add("--types", nargs="+", choices=_core.types(), default=types, help="of parrotlet")
    add("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    add("--isa", nargs="+", choices=list(ENVIRONMENTS), default=["native"])
    add("--audio", type=Path, default=EXAMPLE, help="cut or repeated to --seconds")
    add("--seconds", nargs="+", type=length, default=[60.0, 10.0])
    add("--threads", type=at_least(1), default=2)
    add("--rounds", type=at_least(1), default=5, help="that are counted (default: 5)")
    add("--loads", type=at_least(1), default=3, help="of each model (default: 3)")
    add("--pause", type=float, default=0.3, help="seconds before each run (default: 0.3)")
    add("--peers", type=Path, default=PEERS, help=f"where they are installed (default: {PEERS})")
    add("--nemo-python", type=Path, help="use the NeMo of this interpreter, which has onnx too")
    add("--onnxruntime", nargs="+", default=["1.23.2"], metavar="VERSION", help="(default: 1.23.2)")
    add(
        "--onnxruntime-unrestricted", action="store_true", help="with --isa avx2: leave it as it is"
    )
    add("--prepare", action="store_true", help="install and convert, no more")
    add("--json", type=Path, help="write everything measured to this file")
    args = parser.parse_args(argv)
    if not args.checkpoint.is_file():
        parser.error(f"{args.checkpoint}: no such file; name a NeMo checkpoint (.nemo)")
    if not args.audio.is_file():
        parser.error(f"{args.audio}: no such file; name a recording with --audio")
    if args.nemo_python and not shutil.which(args.nemo_python):
        parser.error(f"{args.nemo_python}: no such interpreter; name a Python that has NeMo")
    if args.json and not args.json.resolve().parent.is_dir():
        parser.error(f"{args.json}: there is no such directory")
    for name in ("runtimes", "types", "stages", "isa", "seconds", "onnxruntime"):
        setattr(args, name, list(dict.fromkeys(getattr(args, name))))  # each once
    return args


def main() -> int:
    """Compare as the command line asks."""
    args = arguments()
    peers = Peers(args.peers.expanduser().resolve(), args.nemo_python, say)
    about = machine.describe()
    print("\n".join(f"- {name}: {value}" for name, value in about.items()))
    print(f"- checkpoint: {args.checkpoint.name}; audio: {args.audio.name}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the workers too
    try:
        if args.prepare:
            for isa in args.isa:
                candidates(args, peers, isa)
            return 0
        results = [compare(args, peers, isa) for isa in args.isa]
    except (SetupError, WorkerError, ComparisonError, parrotlet.ParrotletError) as error:
        say(f"compare.py: {error}")
        return 1
    except KeyboardInterrupt:
        say("compare.py: stopped")
        return 130
    if args.json:
        date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        settings = {"threads": args.threads, "rounds": args.rounds, "audio": args.audio.name}
        write_json(args.json, {"date": date, "machine": about, **settings, "runs": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
