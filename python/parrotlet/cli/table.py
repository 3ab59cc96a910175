"""Tables and foreign text on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
    total: bool = False,
) -> None:
    """Print rows aligned; on a terminal as a table that wraps.

    Columns named in `right` are aligned there. With `total`, the last row is the sum of the others.
    """
    if sys.stdout.isatty():
        _print_rich(header, rows, right, total)
        return
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, header, strict=True)
        ]
        print("  ".join(cells).rstrip())


def printable(text: str) -> str:
    """Escape what could move a terminal's cursor: a file may come from anywhere."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _print_rich(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], total: bool
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in header:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        style = "bold" if total and row is rows[-1] else ""
        table.add_row(*(Text(cell) for cell in row), style=style)
    Console().print(table)
