"""`parrotlet memory`: what a model will need, before it is loaded."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet.cli.console import UsageError, at_least_one, human_bytes, natural, thread_count

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from rich.table import Table

    from parrotlet.memory import Report, Training

PLAIN_WIDTH = 190
"""Columns of the tables where standard output is no terminal."""

FIRST_TYPES = ("f32", "f16", "q8_0", "q4_k", "int8", "int4")
"""Types that get a column first where there is no room for all."""

SIZE_WIDTH = 10
LABELS_WIDTH = 45
COUNTS_WIDTH = 40


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "memory",
        help="print what a model will need, before it is loaded",
        description="Print parameters, sizes at every type, caches, and the memory in use for a "
        "model: a GGUF file, a .nemo checkpoint, a NeMo model_config.yaml, a Hugging Face "
        "config.json, an LMU configuration in YAML, the name of a preset, or a repository of the "
        "Hugging Face hub (ORG/NAME), of which only the configuration is fetched if there is one.",
    )
    parser.add_argument(
        "model", metavar="MODEL|CONFIG|PRESET", nargs="?", help="see above, and --list"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the presets")
    parser.add_argument("--type", metavar="T", help="type of the weights that is planned for")
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="length of the audio")
    parser.add_argument(
        "--batch", type=at_least_one, default=1, metavar="N", help="recordings at once"
    )
    parser.add_argument("--threads", "-t", type=thread_count, metavar="N", help="of this runtime")
    parser.add_argument("--mode", choices=("offline", "streaming"), default="offline")
    parser.add_argument("--right-context", type=natural, metavar="N", help="frames of look-ahead")
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
    parser.add_argument("--json", action="store_true", help="print everything as JSON, in bytes")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png|svg", help="draw a stacked bar per type"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print."""
    # Imported here: reading checkpoints needs packages that transcribing does not.
    from parrotlet import memory

    if args.list:
        print("\n".join(memory.preset_names()))
        return 0
    if args.model is None:
        raise UsageError("name a file or a preset; --list prints the presets")
    try:
        report = memory.plan(
            args.model,
            type=args.type,
            seconds=args.seconds,
            batch=args.batch,
            threads=args.threads,
            mode=args.mode,
            right_context=args.right_context,
            tokens=args.tokens,
            tensor_parallel=args.tensor_parallel,
            cache_type=args.cache_type,
            attention=False if args.no_attention else None,
            attention_bias=False if args.no_attention_bias else None,
        )
        if args.plot is not None:
            from parrotlet.memory.plot import plot

            plot(report, args.plot)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if args.json:
        print(json.dumps(report.as_dict(), ensure_ascii=False, indent=1))
    else:
        _print(report)
    return 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length in seconds")
    return value


# Tables -------------------------------------------------------------------------------------


def _print(report: Report) -> None:
    from rich.console import Console

    width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if sys.stdout.isatty() else None
    console = Console(width=width or PLAIN_WIDTH, highlight=False)
    types = _columns(report, console.width)
    console.print(f"{report.name}: {report.kind}, {report.parameters:,} parameters", markup=False)
    for title, table in _tables(report, types):
        console.print(f"\n{title}", style="italic", markup=False)
        console.print(table)
    if len(types) < len(report.types):
        console.print("\nOther types: --json, or a wider terminal.", markup=False)
    for note in report.notes:
        console.print(f"\nNote: {note}.", markup=False)


def _columns(report: Report, width: int) -> tuple[str, ...]:
    """As many types as there is room for."""
    room = max(3, (width - LABELS_WIDTH - COUNTS_WIDTH) // SIZE_WIDTH)
    wanted = (report.type, *FIRST_TYPES, *report.types)
    kept = [type for type in dict.fromkeys(wanted) if type in report.types][:room]
    return tuple(type for type in report.types if type in kept)


def _tables(report: Report, types: Sequence[str]) -> Iterator[tuple[str, Table]]:
    yield "Layer types", _layers(report, types)
    yield "Components", _components(report, types)
    yield _settings(report), _estimate(report)
    yield "In use, by type", _totals(report, [t for t in types if t in report.estimates])
    if report.stream_caches:
        yield "Caches of a stream (streams share the positions)", _streams(report)
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


def _layers(report: Report, types: Sequence[str]) -> Table:
    table = _table(2, "component", "layer", "count", "each", "parameters", *types)
    for layer in report.layers:
        sizes = (human_bytes(layer.bytes[type]) for type in types)
        numbers = (f"{layer.count}", f"{layer.parameters_each:,}", f"{layer.parameters:,}")
        table.add_row(layer.component, layer.name, *numbers, *sizes)
    return table


def _components(report: Report, types: Sequence[str]) -> Table:
    table = _table(1, "component", "parameters", *types)
    for part in report.components:
        sizes = (human_bytes(part.bytes[type]) for type in types)
        table.add_row(part.name, f"{part.parameters:,}", *sizes)
    totals = (human_bytes(report.bytes[type]) for type in types)
    table.add_row("total", f"{report.parameters:,}", *totals, style="bold")
    return table


def _settings(report: Report) -> str:
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
    return f"In use at {report.type}: {', '.join(words)}"


def _estimate(report: Report) -> Table:
    table = _table(2, "use", "what", "bytes", "")
    for item in report.estimate.items:
        table.add_row(item.group, item.name, f"{item.bytes:,}", human_bytes(item.bytes))
    table.add_row("total", "", f"{report.total:,}", human_bytes(report.total), style="bold")
    return table


def _totals(report: Report, types: Sequence[str]) -> Table:
    table = _table(1, "use", *types)
    for group in ("process", "weights", "caches", "activations", "input"):
        sizes = [report.estimates[type].group(group) for type in types]
        if any(sizes):
            table.add_row(group, *map(human_bytes, sizes))
    totals = (human_bytes(report.estimates[type].total) for type in types)
    table.add_row("total", *totals, style="bold")
    return table


def _streams(report: Report) -> Table:
    columns = ("right context", "chunk", "keys and values", "convolutions", "positions", "total")
    table = _table(0, *columns)
    for row in report.stream_caches:
        sizes = (row.keys_and_values, row.convolutions, row.positions, row.total)
        chunk = f"{1000 * row.chunk_seconds:.0f} ms"
        table.add_row(str(row.right_context), chunk, *map(human_bytes, sizes))
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
