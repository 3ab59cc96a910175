"""Tables of results, for a terminal or for a document, and the texts that are not NeMo's."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from word_errors import Result


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
