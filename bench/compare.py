"""parrotlet beside ONNX Runtime and NeMo: one checkpoint, one recording, one run, alternating.

    python bench/compare.py parakeet-tdt-0.6b-v2.nemo
    python bench/compare.py parakeet-tdt-0.6b-v2.nemo --types q8_0 --isa native avx2 \
        --nemo-python ~/nemo/bin/python --json compare.json

What is measured:

- parrotlet at every type of --types, the whole pipeline (`Model.transcribe`, samples to text) and
  the encoder alone (`Model.encode`);
- ONNX Runtime, the encoder alone: as NeMo exports it (fp32), and with its matrix products and
  convolutions quantised dynamically (int8), weights to unsigned bytes as sherpa-onnx publishes it;
- NeMo on PyTorch, the whole pipeline and the encoder alone.

Every runtime keeps its model loaded in a process of its own. A round runs each of them once, so
that a machine that slows down does so for all. The table has medians over the rounds: of the times,
and of the ratios within each round. Two rounds before are not counted, which is how long ONNX
Runtime takes to have its memory. The encoders are given the same features, and the table says how
far their outputs are from NeMo's: without that, a fast wrong model would win.

The peers are installed with venv and pip into the directory --peers, where exported and converted
models are kept too. A second run uses what is there, and --prepare only sees to it. NeMo needs
about 6 GB of disk; --nemo-python names an interpreter that has it already (and the package `onnx`).

--isa avx2 measures again with everything kept to AVX2: parrotlet by PARROTLET_ISA, PyTorch by
ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA, and ONNX Runtime, which has no such option, in a copy of
its library that is told that the system does not support AVX-512 (peers/environments.py).

The version of ONNX Runtime matters: those after 1.24 multiply unsigned weights without VNNI, and
are slower for it at int8 on processors that have it. --onnxruntime takes several versions; the
columns of ratios are in multiples of the fastest at each type.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from peers import machine, table
from peers.environments import SCRIPTS, Peers, SetupError
from peers.worker import Worker, WorkerError
from rich.console import Console
from rich.progress import Progress

import parrotlet
from parrotlet import _core
from parrotlet.audio import read_audio

EXAMPLE = Path(__file__).parent.parent / "examples" / "example.wav"
PEERS = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "parrotlet-peers"
SAMPLE_RATE = 16000
WARM_UP = 2  # rounds that are not counted
LARGEST_DIFFERENCE = 1e-3  # of two encoders in float32 that are the same model

ENVIRONMENTS = {
    "native": {"PARROTLET_ISA": ""},
    "avx2": {
        "PARROTLET_ISA": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}
"""What keeps a runtime to an instruction set."""


@dataclass(frozen=True)
class Candidate:
    """A subject, how to start its worker, and the stages that it has."""

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


class ComparisonError(Exception):
    """The encoders do not compute the same."""


def candidates(args: argparse.Namespace, peers: Peers, isa: str) -> list[Candidate]:
    """Everyone to measure, parrotlet first. What they need is made if it is missing."""
    found = []
    checkpoint, threads = args.checkpoint, str(args.threads)
    if "parrotlet" in args.runtimes:
        for type in args.types:
            model = peers.gguf(checkpoint, type)
            script = str(SCRIPTS / "serve_parrotlet.py")
            command = [sys.executable, script, str(model), threads]
            subject = table.Subject("parrotlet", type)
            found.append(Candidate(subject, command, model, (table.WHOLE, table.ENCODER)))
    if "onnxruntime" in args.runtimes:
        directory = peers.onnx(checkpoint, args.onnxruntime[0])
        for version in args.onnxruntime:
            env = {"PYTHONPATH": str(peers.onnxruntime_avx2(version))} if isa == "avx2" else {}
            for type, name in (("fp32", "encoder.onnx"), ("int8", "encoder.int8.onnx")):
                script, model = str(SCRIPTS / "serve_onnx.py"), directory / name
                command = [str(peers.onnxruntime(version)), script, str(model), threads]
                subject = table.Subject(f"ONNX Runtime {version}", type, baseline=True)
                found.append(Candidate(subject, command, model, (table.ENCODER,), env))
    if "nemo" in args.runtimes:
        command = [str(peers.nemo()), str(SCRIPTS / "serve_nemo.py"), str(checkpoint), threads]
        env = {"OMP_NUM_THREADS": threads}
        stages = (table.WHOLE, table.ENCODER)
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


def run(worker: Worker, stage: str, clip: Clip, output: Path | None = None) -> dict[str, Any]:
    """Run one stage of one worker once."""
    if stage == table.WHOLE:
        return worker.transcribe(clip.samples)
    return worker.encode(clip.features, output)


def measure(
    workers: Sequence[tuple[Candidate, Worker]],
    clip: Clip,
    args: argparse.Namespace,
    scratch: Path,
    step: Callable[[], None],
) -> Outcome:
    """Time all stages of all workers on one clip, alternating."""
    turns = [(w, table.Row(c.subject, s, clip.seconds)) for c, w in workers for s in c.stages]
    outputs: dict[table.Subject, np.ndarray] = {}
    for _ in range(WARM_UP):
        for worker, row in turns:
            output = scratch / "encoded.npy" if row.stage == table.ENCODER else None
            run(worker, row.stage, clip, output)
            if output is not None:
                outputs[row.subject] = np.load(output)
            step()
    compare_outputs([row for _, row in turns], outputs)
    disturbance = machine.Disturbance()
    for _ in range(args.rounds):
        for worker, row in turns:
            time.sleep(args.pause)  # the threads of the one before still wait in loops
            watch = machine.Watch()
            reply = run(worker, row.stage, clip)
            watch.add_to(disturbance, reply["cpu_seconds"])
            row.seconds.append(reply["seconds"])
            step()
    return Outcome(clip, [row for _, row in turns], disturbance)


def reference(rows: Sequence[table.Row]) -> table.Subject | None:
    """Whose encoder the others are compared with: NeMo's, or ONNX Runtime's at fp32."""
    peers = [row.subject for row in rows if row.subject.type == "fp32"]
    return next((s for s in peers if s.runtime == "NeMo"), peers[0] if peers else None)


def compare_outputs(rows: Sequence[table.Row], outputs: dict[table.Subject, np.ndarray]) -> None:
    """Enter the differences from the reference; raise ComparisonError if float32 differs."""
    standard = reference(rows)
    if standard is None:
        return
    expected = outputs[standard]
    for row in rows:
        if row.stage != table.ENCODER:
            continue
        got = outputs[row.subject]
        if got.shape != expected.shape:
            raise ComparisonError(f"{row.subject.name}: {got.shape}, not {expected.shape}")
        difference = np.abs(got - expected)
        row.error = float(difference.mean())
        if row.subject.type in ("fp32", "f32") and difference.max() > LARGEST_DIFFERENCE:
            raise ComparisonError(
                f"the encoder of {row.subject.name} differs from that of {standard.name} by up to "
                f"{difference.max():.1e}: they are not the same model"
            )


@contextmanager
def progress_bar(total: int, label: str) -> Iterator[Callable[[], None]]:
    """Give a function that moves a bar on standard error by one of `total`."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)


def compare(args: argparse.Namespace, peers: Peers, isa: str) -> dict[str, Any]:
    """Measure with one instruction set, print its tables, and return them as JSON."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        everyone = candidates(args, peers, isa)
        audio = clips(args, peers, scratch)
        workers = []
        for number, candidate in enumerate(everyone):
            say(f"loading {candidate.subject.name}")
            env = {**ENVIRONMENTS[isa], **candidate.env}
            log = scratch / f"{number}.log"
            worker = stack.enter_context(Worker(candidate.command, candidate.model, env, log))
            workers.append((candidate, worker))
        turns = sum(len(candidate.stages) for candidate in everyone)
        total = turns * (args.rounds + WARM_UP) * len(audio)
        step = stack.enter_context(progress_bar(total, f"measuring ({isa})"))
        outcomes = [measure(workers, clip, args, scratch, step) for clip in audio]
        loadings = [
            table.Loading(c.subject, w.model_bytes, w.load_seconds, w.peak_bytes())
            for c, w in workers
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
    for outcome in outcomes:
        standard = reference(outcome.rows)
        print(
            f"\n{outcome.clip.seconds:g} s of audio, {args.threads} threads, {args.rounds} rounds; "
            f"others took {outcome.disturbance.share:.0%} of the processors' time\n"
        )
        print(table.speed_table(outcome.rows, standard.name if standard else None))
    print("\nLoading once, file in the page cache; peak memory of the process after all of it\n")
    print(table.loading_table(loadings), flush=True)


def say(message: str) -> None:
    """Print what is being done."""
    print(message, file=sys.stderr, flush=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(json.dumps(content, indent=1) + "\n")
    scratch.replace(path)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="a .nemo file")
    runtimes = ["parrotlet", "onnxruntime", "nemo"]
    parser.add_argument("--runtimes", nargs="+", choices=runtimes, default=runtimes)
    types = ["f32", "f16", "q8_0", "q4_k"]
    parser.add_argument("--types", nargs="+", choices=_core.types(), default=types)
    parser.add_argument("--isa", nargs="+", choices=list(ENVIRONMENTS), default=["native"])
    parser.add_argument("--audio", type=Path, default=EXAMPLE, help="cut or repeated to --seconds")
    parser.add_argument("--seconds", nargs="+", type=float, default=[60.0, 10.0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause", type=float, default=0.3, help="seconds before each run")
    parser.add_argument("--peers", type=Path, default=PEERS, help=f"by default {PEERS}")
    parser.add_argument("--nemo-python", type=Path, help="use this NeMo instead of installing one")
    parser.add_argument("--onnxruntime", nargs="+", default=["1.23.2"], metavar="VERSION")
    parser.add_argument("--prepare", action="store_true", help="install and convert, no more")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    return parser.parse_args(argv)


def main() -> int:
    """Compare as the command line asks."""
    args = arguments()
    peers = Peers(args.peers.expanduser().resolve(), args.nemo_python, say)
    about = machine.describe()
    print("\n".join(f"- {name}: {value}" for name, value in about.items()))
    print(f"- checkpoint: {args.checkpoint.name}; audio: {args.audio.name}", flush=True)
    try:
        if args.prepare:
            for isa in args.isa:
                candidates(args, peers, isa)
            return 0
        results = [compare(args, peers, isa) for isa in args.isa]
    except (SetupError, WorkerError, ComparisonError, parrotlet.ParrotletError) as error:
        say(f"compare.py: {error}")
        return 1
    if args.json:
        date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        settings = {"threads": args.threads, "rounds": args.rounds, "audio": args.audio.name}
        write_json(args.json, {"date": date, "machine": about, **settings, "runs": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
