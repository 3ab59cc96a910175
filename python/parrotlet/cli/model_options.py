"""The options of every command that runs a model, and the model that they ask for."""

from __future__ import annotations

import argparse
import os
import sys

from parrotlet import hub
from parrotlet.cli.console import (
    Bar,
    UsageError,
    at_least_one,
    interruptible,
    natural,
    path_name,
    thread_count,
    warnings_told,
)
from parrotlet.cli.progress import following
from parrotlet.decoding.options import TRANSDUCERS, find_head
from parrotlet.longform.limits import check_attention_window
from parrotlet.model import Model, load
from parrotlet.model_files import MODEL_VARIABLE, demo_path

DEMO_NOTE = """\
parrotlet: this is the demo model; it knows spelled letters and digits only
parrotlet: for speech, take one of NVIDIA's, such as https://huggingface.co/nvidia/\
parakeet-tdt-0.6b-v2: pip install 'parrotlet[hub]', then \
parrotlet convert nvidia/parakeet-tdt-0.6b-v2 -o parakeet.gguf"""


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what `open_model` reads."""
    parser.add_argument(
        "--model",
        "-m",
        type=path_name,
        metavar="MODEL",
        help="a GGUF file (another project's is converted once), or a repository of the Hugging "
        "Face hub, such as nvidia/parakeet-tdt-0.6b-v2, which is fetched and converted once; "
        f"default: ${MODEL_VARIABLE}, or the small demo model (also: --model demo)",
    )
    parser.add_argument(
        "--head",
        "--decoder",
        choices=("ctc", "transducer", *TRANSDUCERS),
        help="head of a hybrid model to decode with (default: the first that the model has); "
        "--decoder is an older name",
    )
    parser.add_argument(
        "--right-context",
        type=natural,
        metavar="N",
        help="frames of look-ahead, for models trained for several",
    )
    parser.add_argument(
        "--threads", "-t", type=thread_count, metavar="N", help="default: one per usable core"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors and results only")


def add_attention_window(group: argparse._ActionsContainer) -> None:
    """Add the option that lets a recording of any length be one pass."""
    group.add_argument(
        "--attention-window",
        type=attention_window,
        metavar="N",
        help="let encoder frames see N before and after them only, and recognise recordings of "
        "any length in one pass (with --window: in windows); for models that attend to the whole "
        "recording",
    )


def attention_window(text: str) -> int:
    """Parse a number of frames."""
    frames = at_least_one(text)
    try:
        check_attention_window(frames)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return frames


def open_model(args: argparse.Namespace) -> Model:
    """Load the model, with a note where it is the demo.

    Raises UsageError for an option that the model does not have.
    """
    named = args.model or os.environ.get(MODEL_VARIABLE, "")
    try:
        if hub.repository(named) is None:
            model = interruptible(lambda: load(args.model, args.threads))
        else:
            model = _from_hub(args, named)
    except ValueError as error:
        # What is left to be wrong is in the environment: PARROTLET_ISA.
        raise UsageError(str(error)) from error
    _check_offered(args, model)
    if not args.quiet and model.path == demo_path():
        print(DEMO_NOTE, file=sys.stderr, flush=True)
    return model


def _from_hub(args: argparse.Namespace, name: str) -> Model:
    """Load a model that may have to be fetched and converted first."""
    looking_up = Bar(not args.quiet, total=1.0, label=f"looking up {name}")
    with warnings_told(args.quiet), looking_up as bar:
        return interruptible(lambda: load(name, args.threads, progress=following(bar)))


def _check_offered(args: argparse.Namespace, model: Model) -> None:
    name = model.path.name
    if args.head is not None and find_head(args.head, model.heads) is None:
        raise UsageError(f"--head {args.head}: {name} has {' and '.join(model.heads)} only")
    # A buffered stream may have any.
    buffered = "chunk_size" in args and (args.chunk_size is not None or model.chunk_sizes)
    offered = buffered or args.right_context in (None, *model.right_contexts)
    if not offered:
        known = ", ".join(str(right) for right in model.right_contexts)
        recurrent = model.can_stream and not model.chunk_sizes
        none = "it is recurrent" if recurrent else "it attends to the whole recording"
        offer = f"choose from {known}" if known else none
        raise UsageError(f"--right-context {args.right_context}: not one of {name}'s; {offer}")
