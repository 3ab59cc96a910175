"""Tables of results, for a terminal or for a document, and the texts that are not NeMo's."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from word_errors import Result


def add_reporting_options(parser: argparse.ArgumentParser) -> None:
    """Add where results go: `--json` and `--markdown`."""
    parser.add_argument("--json", type=Path, help="write the results there as well")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")


def write_json(path: Path | None, results: Sequence[Any]) -> None:
    """Write results, which are dataclasses, to a file if there is one."""
    if path:
        path.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], markdown: bool) -> None:
    """Print a table for a terminal or for a document."""
    if markdown:
        print("| " + " | ".join(header) + " |")
        print("|" + "---|" * len(header))
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def list_differences(results: Sequence[Result], label: str = "") -> None:
    """Print the texts that are not NeMo's to stderr."""
    for result in results:
        for text in result.differing:
            print(f"{label}{result.manifest} {result.setting} {text['audio']}", file=sys.stderr)
            print(f"    parrotlet: {text['parrotlet']}", file=sys.stderr)
            print(f"    NeMo:      {text['nemo']}", file=sys.stderr)
