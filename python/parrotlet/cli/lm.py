"""`parrotlet lm`: an n-gram language model of a user's text, over a model's tokens."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet import _core
from parrotlet.cli.console import (
    Bar,
    HelpFormatter,
    complain,
    human_bytes,
    path_name,
    warnings_told,
)
from parrotlet.cli.progress import following
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.model_files import MODEL_VARIABLE, model_file

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from parrotlet.ngrams import LanguageModelReport

DEFAULT_ORDER = 4

MUCH_UNKNOWN = 0.01
"""Part of the tokens that are unknown from which a note says so."""

EPILOG = """\
examples:
  parrotlet lm reports.txt -m parakeet.gguf -o reports.arpa
  parrotlet lm mails/*.txt -m parakeet.gguf -o mails.arpa.gz --order 6 --prune 0,0,1
"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "lm",
        help=summary,
        description="Make an n-gram language model of text, for the tokens of one model: modified "
        "Kneser-Ney, as KenLM's lmplz, in the ARPA format that NeMo reads. Texts are UTF-8 with "
        "one sentence a line; they are fitted to the model's vocabulary first (capitals and "
        "punctuation that it does not have).",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("texts", nargs="+", type=path_name, metavar="TEXT", help="a file of text")
    parser.add_argument(
        "--model",
        "-m",
        type=path_name,
        metavar="MODEL",
        help="the model whose tokens it is for: a GGUF file, or a repository of the Hugging Face "
        f"hub; default: ${MODEL_VARIABLE}, or the demo model",
    )
    parser.add_argument(
        "--output",
        "-o",
        type=path_name,
        required=True,
        metavar="LM.arpa[.gz]",
        help="file to write, in gzip where its name ends with .gz",
    )
    parser.add_argument(
        "--order",
        type=int,
        default=DEFAULT_ORDER,
        metavar="N",
        help=f"tokens of the longest n-grams, 2 to {_core.decoding.MAX_ORDER} "
        f"(default: {DEFAULT_ORDER})",
    )
    parser.add_argument(
        "--prune",
        type=thresholds,
        default=[0],
        metavar="N[,N...]",
        help="leave out n-grams that are this often in the text or less, by order from 1 up; the "
        "last number counts for all higher orders (default: 0, which keeps all)",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    parser.set_defaults(run=run, refuse=parser.error)


def thresholds(text: str) -> list[int]:
    """Parse the value of --prune."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers such as 0,0,1"
        ) from None


def run(args: argparse.Namespace) -> int:
    """Make it."""
    from parrotlet.ngrams import make_language_model
    from parrotlet.ngrams.making import check_options

    try:
        check_options(args.order, args.prune)
    except ValueError as error:
        args.refuse(f"arguments --order and --prune: {error}")
    looking_up = Bar(not args.quiet, total=1.0, label="looking up the model")
    with warnings_told(args.quiet), looking_up as bar:
        tokenizer = _tokenizer(args.model, bar)
        report = make_language_model(
            args.texts, tokenizer, args.output, args.order, args.prune, bar.update
        )
    if not args.quiet:
        _print_report(report, tokenizer)
    return 0


def _tokenizer(model: str | None, bar: Bar) -> Tokenizer:
    path = str(model_file(model, progress=following(bar)))
    return tokenizer_from_metadata(_core.GgufFile(path).metadata, path)


def _print_report(report: LanguageModelReport, tokenizer: Tokenizer) -> None:
    if report.unknown > MUCH_UNKNOWN * report.tokens:
        complain(
            f"{report.unknown / report.tokens:.0%} of the text's tokens are "
            f"{tokenizer.pieces[tokenizer.unknown or 0]}: it has characters that the model cannot "
            "write"
        )
    if report.fallbacks:
        complain(
            f"the text is too small to estimate discounts of order "
            f"{', '.join(map(str, report.fallbacks))}; usual ones are taken"
        )
    size = human_bytes(Path(report.path).stat().st_size)
    counts = ", ".join(f"{count:,}" for count in report.counts)
    print(
        f"wrote {report.path} ({size}; {report.sentences:,} sentences, {report.tokens:,} tokens; "
        f"n-grams by order: {counts})",
        file=sys.stderr,
    )
