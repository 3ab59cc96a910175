"""`parrotlet serve`: transcription for other programs, over HTTP."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet.cli.console import (
    HelpFormatter,
    UsageError,
    complain,
    natural,
    path_name,
    thread_count,
)
from parrotlet.errors import ParrotletError
from parrotlet.model_files import DEMO, MODEL_VARIABLE

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from parrotlet.serve.settings import ServedModel

EXAMPLES = """\
examples:
  parrotlet serve
      the demo model on http://127.0.0.1:8000
  parrotlet serve -m parakeet.gguf -m fast=conformer.gguf
      two models, which requests name parakeet and fast"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "serve",
        help="transcribe for other programs, over HTTP",
        description="Serve OpenAI's audio API, so that programs made for it can transcribe here.",
        epilog=EXAMPLES + "\n\ndocs/serving.md says more.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "--model",
        "-m",
        action="append",
        type=path_name,
        metavar="[NAME=]MODEL",
        help="a model as for transcribe, and the name that requests use for it; may be repeated, "
        f"the first is the default one; default: ${MODEL_VARIABLE}, or the small demo model",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1, for programs of this machine only)",
    )
    parser.add_argument(
        "--port",
        type=natural,
        default=8000,
        metavar="N",
        help="default: 8000; 0 takes one that is free",
    )
    parser.add_argument(
        "--wyoming",
        type=natural,
        metavar="PORT",
        help="port for Home Assistant's protocol as well; 0 takes one that is free",
    )
    parser.add_argument(
        "--threads", "-t", type=thread_count, metavar="N", help="default: one per usable core"
    )
    parser.add_argument(
        "--api-key-file",
        type=path_name,
        metavar="FILE",
        help="let in only those who send one of these keys; one a line",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    try:
        from parrotlet.serve.running import serve
        from parrotlet.serve.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise ParrotletError(
            f"serve: the package {error.name} is missing; pip install 'parrotlet[serve]'"
        ) from error
    try:
        settings = ServeSettings(
            models=_models(args.model),
            host=args.host,
            port=args.port,
            wyoming_port=args.wyoming,
            threads=args.threads,
            api_keys_file=Path(args.api_key_file) if args.api_key_file else None,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not settings.is_local and settings.api_keys_file is None:
        complain(f"{args.host}: other machines may connect, and --api-key-file is not set")
    serve(settings)
    return 0


def _models(named: list[str] | None) -> tuple[ServedModel, ...]:
    from parrotlet.serve.settings import ServedModel

    found = []
    for text in named or [os.environ.get(MODEL_VARIABLE) or DEMO]:
        name, equals, source = text.partition("=")
        if not equals:
            name, source = (Path(text).stem if text.endswith(".gguf") else text), text
        if not name or not source:
            raise UsageError(f"--model {text}: expected MODEL or NAME=MODEL")
        found.append(ServedModel(name, source))
    return tuple(found)
