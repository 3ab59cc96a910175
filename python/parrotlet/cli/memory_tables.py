"""What `parrotlet memory` prints for people: no more columns than a terminal has room for."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from parrotlet.cli.console import human_bytes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from parrotlet.memory import MemoryReport, Training

FILE = "file"
"""What a report calls the types that a file has."""

PLAIN_WIDTH = 190
"""Columns of the tables where standard output is no terminal."""

FIRST_TYPES = ("f32", "f16", "q8_0", "q4_k", "int8", "int4")
"""Types that get a column first where there is no room for all."""

FEW_TYPES = 3
"""Types for which the least important of the other columns give way."""

Types = Sequence[str]


def print_report(report: MemoryReport) -> None:
    """Print a report: what there is by layer type, component, use and type."""
    from rich.console import Console

    width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if sys.stdout.isatty() else None
    printer = _Printer(Console(width=width or PLAIN_WIDTH, highlight=False), report)
    printer.print(f"{report.name}: {report.kind}, {report.parameters:,} parameters")
    for title, table in _tables(report, printer):
        printer.print(f"\n{title}", style="italic")
        printer.print_table(table)
    if printer.left_out:
        printer.print(f"\nOther types: {', '.join(printer.left_out)}; --json has everything.")
    for note in report.notes:
        printer.print(f"\nNote: {note}.")


class _Printer:
    """A console, and the types that it has had no room for."""

    def __init__(self, console: Console, report: MemoryReport) -> None:
        self._console = console
        self._types = report.types
        wanted = (report.type, *FIRST_TYPES, *report.types)
        self._wanted = [type for type in dict.fromkeys(wanted) if type in report.types]
        self._shown = set(report.types)

    @property
    def left_out(self) -> list[str]:
        """Types that some table lacks."""
        return [type for type in self._types if type not in self._shown]

    def print(self, text: str, style: str = "none") -> None:
        """Print a line."""
        self._console.print(text, style=style, markup=False)

    def print_table(self, table: Table) -> None:
        """Print a table without spaces at the ends of its lines."""
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            self._console.out(line.rstrip(), highlight=False)

    def widest(self, *makers: Callable[[Types], Table], among: Types = ()) -> Table:
        """The first table that fits, of the first maker with several types, of others with any."""
        wanted = [type for type in self._wanted if type in (among or self._types)]
        for maker in makers:
            least = 1 if maker is makers[-1] else min(FEW_TYPES, len(wanted))
            for count in range(len(wanted), least - 1, -1):
                kept = [type for type in self._types if type in wanted[:count]]
                table = maker(kept)
                if self.fits(table) or (count == 1 and maker is makers[-1]):
                    self._shown -= set(wanted) - set(kept)
                    return table
        raise AssertionError("the last maker's table of one type is always taken")

    def first_fitting(self, *tables: Table) -> Table:
        """The first table that fits, or the last."""
        return next((table for table in tables if self.fits(table)), tables[-1])

    def fits(self, table: Table) -> bool:
        """Whether nothing of a table has to be cut."""
        options = self._console.options.update(width=10_000)
        return self._console.measure(table, options=options).maximum <= self._console.width


def _tables(report: MemoryReport, printer: _Printer) -> Iterator[tuple[str, Table]]:
    yield (
        "Layer types",
        printer.widest(
            lambda types: _layers(report, types, 3),
            lambda types: _layers(report, types, 1),
            lambda types: _layers(report, types, 1, component=False),
        ),
    )
    yield "Components", printer.widest(lambda types: _components(report, types))
    exact, rounded = _estimate(report, exact=True), _estimate(report, exact=False)
    yield _settings(report), printer.first_fitting(exact, rounded)
    running = [type for type in report.types if type in report.estimates]
    yield "In use, by type", printer.widest(lambda types: _totals(report, types), among=running)
    if report.stream_caches:
        table = printer.first_fitting(_streams(report), _streams(report, parts=False))
        yield "Caches of a stream (streams share the positions)", table
    if report.training is not None:
        training = report.training
        yield (
            f"Training, {training.seconds:g} s of audio, batch {training.batch}",
            _training(training),
        )


def _table(left: int, *columns: str) -> Table:
    """A table whose first `left` columns are text and the others numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right", no_wrap=index >= left)
    return table


def _layers(report: MemoryReport, types: Types, numbers: int, component: bool = True) -> Table:
    """`numbers` is how many of count, each and all parameters are shown, the last ones."""
    left = ("component", "layer") if component else ("layer",)
    table = _table(len(left), *left, *("count", "each", "parameters")[3 - numbers :], *types)
    for layer in report.layers:
        sizes = (human_bytes(layer.bytes[type]) for type in types)
        counts = (f"{layer.count}", f"{layer.parameters_each:,}", f"{layer.parameters:,}")
        names = (layer.component, layer.name)[-len(left) :]
        table.add_row(*names, *counts[3 - numbers :], *sizes)
    return table


def _components(report: MemoryReport, types: Types) -> Table:
    table = _table(1, "component", "parameters", *types)
    for part in report.components:
        sizes = (human_bytes(part.bytes[type]) for type in types)
        table.add_row(part.name, f"{part.parameters:,}", *sizes)
    totals = (human_bytes(report.bytes[type]) for type in types)
    table.add_row("total", f"{report.parameters:,}", *totals, style="bold")
    return table


def _settings(report: MemoryReport) -> str:
    settings, caches = report.settings, report.kv_caches
    words = [f"{settings.seconds:g} s of audio", f"batch {settings.batch}"]
    if caches is None:
        words += [f"{settings.threads} threads", settings.mode]
    else:
        if caches.encoder_positions:
            words.append(f"{caches.encoder_positions} encoder positions")
        words.append(f"{caches.decoder_positions} decoder positions")
        if settings.tensor_parallel > 1:
            words.append(f"one of {settings.tensor_parallel} devices")
    types = "the types in the file" if report.type == FILE else report.type
    return f"In use at {types}: {', '.join(words)}"


def _estimate(report: MemoryReport, exact: bool) -> Table:
    table = _table(2, "use", "what", *(("bytes",) if exact else ()), "size")
    rows = [(item.group, item.name, item.bytes) for item in report.estimate.items]
    for use, what, size in (*rows, ("total", "", report.total)):
        style = "bold" if use == "total" else ""
        table.add_row(use, what, *([f"{size:,}"] if exact else []), human_bytes(size), style=style)
    return table


def _totals(report: MemoryReport, types: Types) -> Table:
    from parrotlet.memory.report import GROUPS

    table = _table(1, "use", *types)
    for group in GROUPS:
        sizes = [report.estimates[type].group(group) for type in types]
        if any(sizes):
            table.add_row(group, *map(human_bytes, sizes))
    totals = (human_bytes(report.estimates[type].total) for type in types)
    table.add_row("total", *totals, style="bold")
    return table


def _streams(report: MemoryReport, parts: bool = True) -> Table:
    names = ("keys and values", "convolutions", "positions") if parts else ()
    table = _table(0, "right context", "chunk", *names, "total")
    for row in report.stream_caches:
        sizes = (row.keys_and_values, row.convolutions, row.positions)[: len(names)]
        chunk = f"{1000 * row.chunk_seconds:.0f} ms"
        table.add_row(str(row.right_context), chunk, *map(human_bytes, (*sizes, row.total)))
    return table


def _training(training: Training) -> Table:
    table = _table(1, "what", "bytes", "GiB")
    rows = {
        "weights (float32)": training.weights,
        "gradients (float32)": training.gradients,
        "optimizer states (Adam)": training.optimizer,
        "minimum": training.minimum,
        "activations": training.activations,
        "with activations": training.total,
        "rule of thumb, twice the minimum": training.rule_of_thumb,
        "mixed precision, without activations": training.mixed_precision,
    }
    for name, size in rows.items():
        table.add_row(name, f"{size:,}", f"{size / 2**30:.3f}")
    return table
