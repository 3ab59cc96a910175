"""`parrotlet serve`: transcription for other programs, over HTTP."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet.cli.console import (
    Bar,
    HelpFormatter,
    UsageError,
    at_least_one,
    byte_count,
    complain,
    interruptible,
    natural,
    path_name,
    positive,
    thread_count,
    warnings_told,
)
from parrotlet.cli.model_options import DEMO_NOTE
from parrotlet.cli.progress import following
from parrotlet.errors import ParrotletError
from parrotlet.model_files import (
    DEMO,
    MODEL_VARIABLE,
    check_model_file,
    demo_path,
    model_file,
)

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from parrotlet.serve.settings import ServedModel, ServeSettings

EXAMPLES = """\
examples:
  parrotlet serve
      the demo model, at http://127.0.0.1:8000
  parrotlet serve -m parakeet.gguf -m fast=conformer.gguf
      two models, which requests call parakeet and fast
  curl localhost:8000/v1/audio/transcriptions -F file=@talk.flac
      a request"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "serve",
        help=summary,
        description="Serve OpenAI's audio API over HTTP, so that programs made for it can "
        "transcribe here. It ends on SIGINT and SIGTERM, once what runs is answered. Needs "
        "pip install 'parrotlet[serve]'.",
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
        f"and the first is for requests without a name; default: ${MODEL_VARIABLE}, or the demo "
        "model",
    )
    parser.add_argument(
        "--threads", "-t", type=thread_count, metavar="N", help="default: one per usable core"
    )
    parser.add_argument(
        "--idle-minutes",
        type=natural,
        default=10,
        metavar="N",
        help="unload a model that nobody has used for so long (default: 10; 0: never)",
    )
    _add_who_may(parser)
    _add_limits(parser)
    parser.add_argument("--json-logs", action="store_true", help="write a JSON object a line")
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    parser.set_defaults(run=run)


def _add_who_may(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who may connect")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: 127.0.0.1, for programs of this machine only)",
    )
    group.add_argument(
        "--port",
        type=natural,
        default=8000,
        metavar="N",
        help="default: 8000; 0: one that is free",
    )
    group.add_argument(
        "--wyoming",
        type=natural,
        metavar="PORT",
        help="serve Wyoming, Home Assistant's protocol, as well, on this port; it has no keys",
    )
    group.add_argument(
        "--api-key-file",
        type=path_name,
        metavar="FILE",
        help="let in only who sends one of the keys in FILE, one a line",
    )
    group.add_argument(
        "--cors-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let web pages of this origin, such as https://example.org, use the server; may be "
        "repeated; '*': all",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--max-upload",
        type=byte_count,
        metavar="SIZE",
        help="largest request, such as 100M (default: 512Mi)",
    )
    group.add_argument(
        "--max-minutes",
        type=positive,
        metavar="N",
        help="longest recording (default: 360)",
    )
    group.add_argument(
        "--max-running",
        type=at_least_one,
        metavar="N",
        help="recordings that are recognised at a time (default: 2)",
    )
    group.add_argument(
        "--max-queue",
        type=natural,
        metavar="N",
        help="recordings that may wait; more are refused (default: 32)",
    )
    group.add_argument(
        "--max-streams",
        type=at_least_one,
        metavar="N",
        help="live streams of a model (default: as many as the machine carries)",
    )
    group.add_argument(
        "--max-connections",
        type=at_least_one,
        metavar="N",
        help="connections that may be open (default: 1000)",
    )
    group.add_argument(
        "--drain-seconds",
        type=positive,
        metavar="N",
        help="how long running requests may go on after SIGTERM (default: 30)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    try:
        from parrotlet.serve.running import serve
    except ModuleNotFoundError as error:
        raise ParrotletError(
            f"serve: the package {error.name} is missing; pip install 'parrotlet[serve]'"
        ) from error
    settings = _settings(args)
    if not settings.is_local and settings.api_keys_file is None:
        complain(
            f"{args.host}: other machines may connect, and everybody is let in; set --api-key-file"
        )
    elif not settings.is_local and settings.wyoming_port is not None:
        complain(f"{args.host}: other machines may connect, and Wyoming asks for no key")
    serve(settings, args.quiet)
    return 0


def _settings(args: argparse.Namespace) -> ServeSettings:
    """Return what the options ask for; fetches and converts models that are not here."""
    from parrotlet.serve.settings import Limits, ServeSettings

    given = {
        "max_upload_bytes": args.max_upload,
        "max_audio_seconds": None if args.max_minutes is None else args.max_minutes * 60,
        "max_running": args.max_running,
        "max_queue": args.max_queue,
        "max_streams": args.max_streams,
        "max_connections": args.max_connections,
        "drain_seconds": args.drain_seconds,
    }
    try:
        return ServeSettings(
            models=_models(args),
            host=args.host,
            port=args.port,
            wyoming_port=args.wyoming,
            threads=args.threads,
            limits=Limits(**{name: value for name, value in given.items() if value is not None}),
            api_keys_file=Path(args.api_key_file) if args.api_key_file else None,
            cors_origins=tuple(args.cors_origin),
            idle_seconds=args.idle_minutes * 60 or None,
            json_logs=args.json_logs,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _models(args: argparse.Namespace) -> tuple[ServedModel, ...]:
    """Return the models with their files, so that a wrong name is found now."""
    from parrotlet.serve.settings import ServedModel

    found = []
    for text in args.model or [os.environ.get(MODEL_VARIABLE) or DEMO]:
        name, source = _named(text)
        with warnings_told(args.quiet), Bar(not args.quiet, total=1.0, label=source) as bar:
            file = interruptible(lambda: model_file(source, progress=following(bar)))  # noqa: B023
        check_model_file(file)
        found.append(ServedModel(name, str(file)))
    if not args.quiet and any(model.source == str(demo_path()) for model in found):
        print(DEMO_NOTE, file=sys.stderr, flush=True)
    return tuple(found)


def _named(text: str) -> tuple[str, str]:
    """Divide NAME=MODEL; without a name, a file has its own without the suffix."""
    name, equals, source = text.partition("=")
    if not equals:
        return (Path(text).stem if text.endswith(".gguf") else text), text
    if not name or not source:
        raise UsageError(f"--model {text}: expected MODEL or NAME=MODEL")
    return name, source
