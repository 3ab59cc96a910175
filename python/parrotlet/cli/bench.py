"""`parrotlet bench`: how fast a model is on this machine, and where its time goes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import parrotlet
from parrotlet import _core
from parrotlet.audio import read_blocks
from parrotlet.cli.bench_tables import print_comparison, print_report
from parrotlet.cli.console import (
    Bar,
    HelpFormatter,
    UsageError,
    at_least_one,
    interruptible,
    positive,
    print_json,
    warnings_told,
)
from parrotlet.cli.decoding_options import add_decoding_options, chosen_decoding
from parrotlet.cli.model_options import add_attention_window, add_model_options
from parrotlet.cli.progress import following
from parrotlet.cli.table import printable
from parrotlet.decoding.language_model import read_outline
from parrotlet.model_files import demo_path, model_file, repository, resolve

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from parrotlet.bench import Report, Settings
    from parrotlet.progress import ShareProgress

DEFAULT_TYPE = "q8_0"

EXAMPLES = """\
examples:
  parrotlet bench --preset parakeet-tdt-0.6b-v2 --type q8_0
      a published architecture; no model file is needed
  parrotlet bench --preset parakeet-tdt-0.6b-v2 --type q8_0 q4_k f32
      a column for each type
  parrotlet bench --model parakeet.gguf --audio talk.flac --seconds 30
      a model and a recording of your own
  parrotlet bench --model parakeet.gguf --beam 4 --phrases names.txt
      what a beam and phrases cost"""

DEMO_NOTE = """\
parrotlet: this is the small demo model; --preset parakeet-tdt-0.6b-v2 measures one of full size"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "bench",
        help=summary,
        description="Transcribe a recording several times and print multiples of real time, "
        "milliseconds per stage, and multiply-adds per second beside what this machine reaches at "
        "most.",
        epilog=EXAMPLES + "\n\ndocs/benchmarks.md says how to read the figures.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="measure a published architecture with random weights, without a model file; "
        "parakeet-tdt-0.6b-v2 and others (an unknown name lists them)",
    )
    parser.add_argument(
        "--type",
        nargs="+",
        choices=_core.types(),
        metavar="T",
        help="what matrices of a preset, or of a model from the hub, are stored as: "
        f"{', '.join(_core.types())}; several give a table (default: {DEFAULT_TYPE})",
    )
    parser.add_argument(
        "--seconds",
        "-s",
        type=positive,
        default=60.0,
        metavar="S",
        help="length of the recording (default: 60)",
    )
    parser.add_argument(
        "--audio", metavar="AUDIO", help="recording to cut or repeat; default: synthetic speech"
    )
    parser.add_argument(
        "--repeat",
        "-r",
        type=at_least_one,
        default=3,
        metavar="N",
        help="passes to measure, after one that is not counted (default: 3)",
    )
    add_model_options(parser)
    add_attention_window(parser)
    add_decoding_options(parser, alternatives=False)
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, then print."""
    reports = _measure(args)
    if args.json:
        found = {"parrotlet": parrotlet.__version__, "runs": [r.as_dict() for r in reports]}
        print_json(found)
    elif len(reports) == 1:
        print_report(reports[0])
    else:
        print_comparison(reports)
    return 0


def _measure(args: argparse.Namespace) -> list[Report]:
    """Measure every type that is asked for; raises UsageError for a model that is not there."""
    from parrotlet.bench import Settings, preset_names

    from_hub = args.preset is None and repository(args.model) is not None
    if args.preset is None and not from_hub and args.type is not None:
        raise UsageError(
            "--type is for a --preset or a model from the hub; a model file has its own"
        )
    if args.preset is not None and args.model is not None:
        raise UsageError("--preset and --model exclude each other")
    if args.preset is not None and args.preset not in preset_names():
        known = ", ".join(preset_names())
        raise UsageError(f"--preset {args.preset}: unknown; choose from {known}")
    if args.audio is not None:
        next(read_blocks(args.audio, 16_000))  # a bad name shall not cost the time of what follows
    if args.lm is not None:
        read_outline(args.lm)
    settings = Settings(
        args.seconds,
        args.audio,
        chosen_decoding(args),
        args.right_context,
        args.attention_window,
        args.threads,
        args.repeat,
    )
    types = list(dict.fromkeys(args.type or [DEFAULT_TYPE]))
    files: list[Path | None] = [None] * len(types)
    if from_hub:
        files[:] = [_fetched(args, kind) for kind in types]
    elif args.preset is None:
        files = [resolve(args.model)]
        if not args.quiet and files[0] == demo_path():
            print(DEMO_NOTE, file=sys.stderr, flush=True)
    # A bar that moved by itself would take time from what is measured.
    with Bar(not args.quiet, total=len(files), animated=False) as bar:
        try:
            return [
                _measure_one(args, kind, file, settings, _part(bar.update, i, i + 1))
                for i, (kind, file) in enumerate(zip(types, files, strict=True))
            ]
        except ValueError as error:
            # An option that the model does not have, or PARROTLET_ISA.
            raise UsageError(str(error)) from error


def _fetched(args: argparse.Namespace, kind: str) -> Path:
    """Return the file of a model from the hub in the type `kind`."""
    looking_up = Bar(not args.quiet, total=1.0, label="looking up the model")
    with warnings_told(args.quiet), looking_up as bar:
        return interruptible(lambda: model_file(args.model, kind, following(bar)))


def _measure_one(
    args: argparse.Namespace,
    kind: str,
    file: Path | None,
    settings: Settings,
    progress: ShareProgress,
) -> Report:
    """Measure the model in `file`, or without one the preset in the type `kind`."""
    from parrotlet.bench import random_model, run

    if file is not None:
        progress = _named(progress, printable(file.name))
        return interruptible(lambda: run(file, settings, progress=progress))
    progress = _named(progress, kind)
    # Ctrl-C ends the wait for native code, and leaving the context removes the file.
    with random_model(args.preset, kind, _part(progress, 0.0, 0.5)) as path:
        measuring = _part(progress, 0.5, 1.0)
        return interruptible(lambda: run(path, settings, random_weights=True, progress=measuring))


def _named(progress: ShareProgress, name: str) -> ShareProgress:
    """Return the progress of something that is one of several."""
    return lambda share, label: progress(share, f"{name}: {label}")


def _part(progress: ShareProgress, begin: float, end: float) -> ShareProgress:
    """Return the progress of a part of something."""
    return lambda share, label: progress(begin + share * (end - begin), label)
