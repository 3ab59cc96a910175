"""`parrotlet memory`: what a model will need, before it is loaded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet.cli.console import (
    HelpFormatter,
    UsageError,
    at_least_one,
    natural,
    path_name,
    print_json,
    thread_count,
    warnings_told,
)
from parrotlet.cli.decoding_options import parse_phrases
from parrotlet.cli.memory_tables import print_report
from parrotlet.cli.model_options import attention_window

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EXAMPLES = """\
examples:
  parrotlet memory parakeet-tdt-0.6b-v2 --type q8_0 --seconds 60 --threads 2
      a published model, by its name
  parrotlet memory nemotron-speech-streaming-en-0.6b --mode streaming --right-context 1
      a stream
  parrotlet memory nemotron-speech-streaming-en-0.6b --streams 40 --right-context 1
      forty streams that share each pass over the weights
  parrotlet memory checkpoint.nemo
      a file, before it is converted
  parrotlet memory qwen2-audio-7b/config.json --type int4 --tokens 1000 --plot need.png
      an audio language model of which there is the configuration alone"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "memory",
        help=summary,
        description="Print parameters, sizes at every type, caches, and the memory in use for a "
        "model: a GGUF file, a .nemo or .ckpt checkpoint, the .pt file of an LMU model or its "
        "configuration in YAML, a NeMo model_config.yaml, a Hugging Face config.json or the "
        "directory it is in, the name of a preset, or a repository of the Hugging Face hub "
        "(ORG/NAME), of which only the configuration is fetched if there is one.",
        epilog=EXAMPLES + "\n\nSizes are decimal: 1 MB is 10^6 bytes. docs/memory.md says what is "
        "counted.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "model",
        type=path_name,
        metavar="MODEL|CONFIG|PRESET",
        nargs="?",
        help="what to plan for; presets: see --list",
    )
    parser.add_argument("--list", action="store_true", help="print the names of the presets")
    _add_settings(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON, in bytes")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png|svg", help="draw a stacked bar per type"
    )
    parser.set_defaults(run=run)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the settings of `parrotlet.memory.plan`."""
    parser.add_argument(
        "--type",
        metavar="T",
        help="type of the weights: f32, f16, q8_0, "
        "q6_k, q5_k, q4_k, q4_0; of models that are not run here bf16, int8 and int4 as well "
        "(default: the file's, or q8_0)",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        metavar="S",
        help="length of the audio (default: 60; 30 of a config.json)",
    )
    parser.add_argument(
        "--batch", type=at_least_one, default=1, metavar="N", help="recordings at once"
    )
    parser.add_argument(
        "--threads",
        "-t",
        type=thread_count,
        metavar="N",
        help="that compute (default: one per usable core)",
    )
    parser.add_argument(
        "--mode",
        choices=("offline", "streaming"),
        default="offline",
        help="whole recordings, or a signal that arrives (default: offline)",
    )
    parser.add_argument(
        "--right-context", type=natural, metavar="N", help="frames of look-ahead of a stream"
    )
    parser.add_argument(
        "--attention-window",
        type=attention_window,
        metavar="N",
        help="plan one pass in which frames see N on either side, as for transcribe",
    )
    parser.add_argument(
        "--streams",
        type=at_least_one,
        metavar="N",
        help="a group of N live streams, in place of --mode and --batch",
    )
    parser.add_argument(
        "--lm", type=path_name, metavar="FILE", help="an n-gram language model for the model"
    )
    parser.add_argument(
        "--phrases",
        metavar="FILE|'A, B'",
        help="phrases to prefer, as for transcribe; their tokens only a GGUF file tells",
    )
    _add_settings_of_kinds(parser)


def _add_settings_of_kinds(parser: argparse.ArgumentParser) -> None:
    """Add those that models of some kinds have alone."""
    parser.add_argument(
        "--tokens", type=at_least_one, metavar="N", help="text that a decoder holds (default: 448)"
    )
    parser.add_argument(
        "--tensor-parallel",
        type=at_least_one,
        default=1,
        metavar="N",
        help="devices to spread over",
    )
    parser.add_argument("--cache-type", metavar="T", help="type of keys, values and activations")
    parser.add_argument(
        "--no-attention", action="store_true", help="an LMU model without self-attention"
    )
    parser.add_argument(
        "--no-attention-bias", action="store_true", help="an LMU model without biases in attention"
    )


def run(args: argparse.Namespace) -> int:
    """Print."""
    # Imported here: reading checkpoints needs packages that transcribing does not.
    from parrotlet import memory
    from parrotlet.cli.process_size import measured_process

    if args.list:
        print("\n".join(memory.preset_names()))
        return 0
    if args.model is None:
        raise UsageError("name a file or a preset; --list prints the presets")
    try:
        with warnings_told(quiet=False):
            report = memory.plan(
                args.model,
                type=args.type,
                seconds=args.seconds,
                batch=args.batch,
                threads=args.threads,
                mode=args.mode,
                right_context=args.right_context,
                attention_window=args.attention_window,
                streams=args.streams,
                tokens=args.tokens,
                tensor_parallel=args.tensor_parallel,
                cache_type=args.cache_type,
                attention=False if args.no_attention else None,
                attention_bias=False if args.no_attention_bias else None,
                process=measured_process,
                language_model=args.lm,
                phrases=None if args.phrases is None else parse_phrases(args.phrases),
            )
        if args.plot is not None:
            from parrotlet.memory.plot import plot

            plot(report, args.plot)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if args.plot is not None:
        print(f"wrote {args.plot}", file=sys.stderr)
    if args.json:
        print_json(report.as_dict())
    else:
        print_report(report)
    return 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length in seconds")
    return value
