"""`parrotlet models`: what is known, what is in the cache, and removing from it."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parrotlet import _core
from parrotlet.cli.console import (
    HelpFormatter,
    UsageError,
    complain,
    human_bytes,
    print_json,
)
from parrotlet.cli.table import print_table, printable
from parrotlet.hub.cache import cache_directory
from parrotlet.hub.client import hub_cache
from parrotlet.hub.kept import KeptFile, KeptModel, kept_models, remove
from parrotlet.known_models import LISTED_TYPE, KnownModel, known_models

if TYPE_CHECKING:
    from argparse import _SubParsersAction

FEW_LANGUAGES = 4
"""As many are listed by their codes; of more, how many there are."""

HEADER = ("model", "languages", LISTED_TYPE, "live", "licence", "here")

LEFT_OUT_FIRST = ("licence", "live", "languages", LISTED_TYPE)
"""Columns that a narrow terminal does without, the first first."""

WRAPPED = {"model": 44, "here": 24}
"""Columns that may go on in the next line, and the room that they need at most."""

EXAMPLES = """\
examples:
  parrotlet models                      (everything that is known)
  parrotlet models --language ja
  parrotlet models --cached             (what is on this machine)
  parrotlet models remove nvidia/parakeet-tdt-0.6b-v2"""

EXAMPLES_OF_REMOVE = """\
examples:
  parrotlet models remove nvidia/parakeet-tdt-0.6b-v2
  parrotlet models remove parakeet-tdt-0.6b-v2 --type f16
  parrotlet models remove --all --yes   (without a question, as in a script)"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "models",
        help=summary,
        description="List published checkpoints: languages, size of the model file at "
        f"{LISTED_TYPE}, whether it is for live signals, licence, and what is kept of it on this "
        "machine. What is not known is left empty. A name with an organisation is what --model "
        "takes; another one is in NVIDIA's NGC catalogue, from where its .nemo file is fetched by "
        "hand.",
        epilog=EXAMPLES + "\n\nLicences are as the checkpoints' cards state them. docs/models.md "
        "says how each was tried.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "--language", metavar="L", help="only models for a language: a code, such as ja or pt-BR"
    )
    parser.add_argument("--cached", action="store_true", help="only what is in the cache")
    parser.add_argument("--json", action="store_true", help="print JSON, with sizes in bytes")
    parser.set_defaults(run=run)
    # By itself argparse shows an action as if one were required.
    parser.usage = "%(prog)s [-h] [--language L] [--cached] [--json]\n       %(prog)s remove ..."
    actions = parser.add_subparsers(metavar="ACTION", title="actions", prog=parser.prog)
    _add_remove(actions)


def _add_remove(actions: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "remove",
        help="remove models from the cache",
        description="Remove models from the cache, in all types and commits, and parts of files "
        "that a process left behind. Asks before it does. What was fetched to make them is in the "
        "hub's own cache, which `hf cache` manages.",
        epilog=EXAMPLES_OF_REMOVE,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="NAME",
        help="ORG/NAME, or NAME where only one in the cache is called so; NAME@CHECKSUM of a "
        "converted file, as --cached lists it",
    )
    parser.add_argument("--all", action="store_true", help="everything that is in the cache")
    parser.add_argument("--type", choices=_core.types(), help="only files of this type")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed")
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,  # it may have been given before the action
        help="print what was removed as JSON",
    )
    parser.set_defaults(run=run_remove)


# Listing ------------------------------------------------------------------------------------


def run(args: argparse.Namespace) -> int:
    """List."""
    kept = {model.name: model for model in kept_models()}
    known = {model.name: model for model in known_models()}
    names = [*known, *(name for name in kept if name not in known)]
    if args.language is not None:
        names = [name for name in names if name in known and known[name].speaks(args.language)]
        if not names:
            codes = sorted({code for model in known.values() for code in model.languages})
            complain(f"no model is known for {args.language!r}; there are {' '.join(codes)}")
            return 1
    if args.cached:
        names = [name for name in names if name in kept]
    if args.json:
        print_json([_as_dict(name, known.get(name), kept.get(name)) for name in names])
        return 0
    if names:
        _print_rows([_row(name, known.get(name), kept.get(name)) for name in names])
    total = sum(model.bytes for model in kept.values())
    models = f"{len(kept)} model{'' if len(kept) == 1 else 's'}"
    print(f"{models} in {cache_directory()}: {human_bytes(total)}", file=sys.stderr)
    return 0


def _print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print what there is room for: a narrow terminal gets fewer columns."""
    shown = list(range(len(HEADER)))
    if sys.stdout.isatty():
        widths = [max(len(row[i]) for row in (HEADER, *rows)) + 2 for i in shown]
        for name, most in WRAPPED.items():
            widths[HEADER.index(name)] = min(widths[HEADER.index(name)], most)
        for column in map(HEADER.index, LEFT_OUT_FIRST):
            if sum(widths[i] for i in shown) > shutil.get_terminal_size().columns:
                shown.remove(column)
    header = [HEADER[i] for i in shown]
    print_table(header, [[row[i] for i in shown] for row in rows], right=(LISTED_TYPE,))
    sys.stdout.flush()


def _row(name: str, known: KnownModel | None, kept: KeptModel | None) -> tuple[str, ...]:
    here = "" if kept is None else f"{_types(kept)} {human_bytes(kept.bytes)}"
    if known is None:
        return name, "", "", "", "", here
    languages = known.languages
    few = len(languages) <= FEW_LANGUAGES
    return (
        name,
        " ".join(languages) if few else f"{len(languages)} languages",
        "" if known.bytes is None else human_bytes(known.bytes),
        "yes" if known.streaming else "no",
        known.licence,
        here or (f"needs {known.needs}" if known.needs else ""),
    )


def _types(kept: KeptModel) -> str:
    return " ".join(kept.types) or "unfinished"


def _as_dict(name: str, known: KnownModel | None, kept: KeptModel | None) -> dict[str, Any]:
    return {
        "name": name,
        "known": known is not None,
        "languages": list(known.languages) if known else [],
        "parameters": known.parameters if known else None,
        f"{LISTED_TYPE}_bytes": known.bytes if known else None,
        "streaming": known.streaming if known else None,
        "licence": known.licence or None if known else None,
        "needs": known.needs or None if known else None,
        "cached": [_file_as_dict(kept, file) for file in kept.files] if kept else [],
        "cached_bytes": kept.bytes if kept else 0,
        "fetched_bytes": kept.fetched if kept else 0,
    }


def _file_as_dict(kept: KeptModel, file: KeptFile) -> dict[str, Any]:
    return {
        "name": kept.name,
        "type": file.type or None,
        "path": str(file.path),
        "bytes": file.bytes,
    }


# Removing -----------------------------------------------------------------------------------


def run_remove(args: argparse.Namespace) -> int:
    """Remove."""
    if bool(args.models) == args.all:
        raise UsageError(
            "name the models to remove, or --all; parrotlet models --cached lists them"
        )
    kept = kept_models()
    chosen, missing = (kept, []) if args.all else _chosen(args.models, kept)
    for name in missing:
        complain(f"{name}: {_why_missing(name, kept)}")
    files = [(m, f) for m in chosen for f in m.files if args.type in (None, f.type)]
    chosen = [model for model in chosen if any(owner is model for owner, _ in files)]
    total = sum(file.bytes for _, file in files)
    what = f"{len(files)} file{'' if len(files) == 1 else 's'}, {human_bytes(total)}"
    if not files:
        complain("there is nothing to remove")
        return 1 if missing or not args.all else 0
    for model, file in files:
        line = f"{model.name}  {file.type or 'unfinished'}  {human_bytes(file.bytes)}  {file.path}"
        print(printable(line), file=sys.stderr)
    if args.dry_run:
        print(f"would remove {what}", file=sys.stderr)
        return 1 if missing else 0
    if not args.yes and not _agreed(f"Remove {what}?"):
        complain("nothing was removed")
        return 1
    removed = [_file_as_dict(m, f) for m in chosen for f in remove(m, args.type)]
    if args.json:
        print_json({"removed": removed, "bytes": sum(file["bytes"] for file in removed)})
    print(f"removed {what}", file=sys.stderr)
    fetched = sum(model.fetched for model in chosen)
    if fetched:
        print(
            f"what was fetched takes {human_bytes(fetched)} in {hub_cache()}; hf cache manages it",
            file=sys.stderr,
        )
    return 1 if missing else 0


def _chosen(names: Sequence[str], kept: Sequence[KeptModel]) -> tuple[list[KeptModel], list[str]]:
    """The models that are meant, each once, and the names that mean none or several."""
    chosen: dict[str, KeptModel] = {}
    missing = []
    for name in names:
        found = [model for model in kept if name in (model.name, model.name.rpartition("/")[2])]
        if len(found) == 1:
            chosen[found[0].name] = found[0]
        else:
            missing.append(name)
    return list(chosen.values()), missing


def _why_missing(name: str, kept: Sequence[KeptModel]) -> str:
    several = [model.name for model in kept if model.name.rpartition("/")[2] == name]
    if several:
        return f"there are several of this name; say which: {', '.join(several)}"
    return f"is not in the cache, {cache_directory()}; parrotlet models --cached lists what is"


def _agreed(question: str) -> bool:
    """Ask on the terminal; raises UsageError where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nobody can be asked here; --yes removes without a question")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")
