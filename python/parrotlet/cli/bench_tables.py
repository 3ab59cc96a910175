"""What `parrotlet bench` prints for people."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from parrotlet.cli.console import human_bytes
from parrotlet.cli.table import print_table, printable

if TYPE_CHECKING:
    from parrotlet.bench import Machine, Rate, Report


def print_report(report: Report) -> None:
    """Print one report: a row for each stage, and the limits of the machine."""
    print("\n".join(_headline(report)) + "\n")
    rows = [
        (
            name,
            f"{stage.seconds * 1e3:.1f}",
            f"{stage.seconds / report.seconds:.1%}",
            *_rates(stage.multiply_adds, stage.seconds, stage.peak_share),
        )
        for name, stage in zip(_stage_names(report), report.stages, strict=True)
    ]
    whole = _rates(report.multiply_adds, report.seconds, report.peak_share)
    rows.append(("total", f"{report.seconds * 1e3:.1f}", "100.0%", *whole))
    header = ("stage", "ms", "share", "G multiply-adds", "G/s", "of peak")
    print_table(header, rows, right=header[1:], total=True)
    print(f"\n{report.times_real_time:.1f} x real time\n")
    print_machine(report.machine)


def print_comparison(reports: Sequence[Report]) -> None:
    """Print several types of one model, a column for each."""
    first = reports[0]
    print(f"{printable(first.model)}, random weights; {_conditions(first)}\n")
    names = [*_stage_names(first), "total"]
    names += ["x real time", "G multiply-adds/s", "of peak", "loaded in", "file"]
    columns = [_column(report) for report in reports]
    types = [report.type for report in reports]
    rows = [(name, *cells) for name, *cells in zip(names, *columns, strict=True)]
    print_table(("stage, ms", *types), rows, right=types)
    print()
    limits = {kind: rate for r in reports for kind, rate in r.machine.products.items()}
    print_machine(dataclasses.replace(first.machine, products=limits))


def _column(report: Report) -> list[str]:
    return [
        *(f"{stage.seconds * 1e3:.1f}" for stage in report.stages),
        f"{report.seconds * 1e3:.1f}",
        f"{report.times_real_time:.1f}",
        f"{report.multiply_adds_per_second / 1e9:.1f}",
        f"{report.peak_share:.1%}",
        f"{report.load_seconds:.2f} s",
        human_bytes(report.file_bytes),
    ]


def print_machine(machine: Machine) -> None:
    """Print what the machine reaches at most."""
    print(f"at most, {machine.processor}, {machine.isa}\n")
    threads = [_threads(count) for count in dict.fromkeys((1, machine.threads))]
    rows = [
        (f"multiply-adds, {kind}", *_pair(rate, "G/s", machine.threads))
        for kind, rate in machine.products.items()
    ]
    rows.append(("memory, read", *_pair(machine.memory, "GB/s", machine.threads)))
    print_table(("", *threads), rows, right=threads)


def _stage_names(report: Report) -> list[str]:
    return [stage.name.replace("_", "-") for stage in report.stages]


def _pair(rate: Rate, unit: str, threads: int) -> list[str]:
    values = [rate.one] if threads == 1 else [rate.one, rate.all]
    return [f"{value / 1e9:.1f} {unit}" for value in values]


def _headline(report: Report) -> list[str]:
    name = f"{printable(report.model)}, {report.type}"
    if report.random_weights:
        name += ", random weights"
    search = "" if report.search == "greedy" else f", {report.search}"
    pace = " at the pace of speech" if report.paced else ""
    return [
        f"{name}; {human_bytes(report.file_bytes)}, loaded in {report.load_seconds:.2f} s",
        _conditions(report),
        f"{report.head} decoding{search}, {report.tokens} tokens{pace}",
    ]


def _conditions(report: Report) -> str:
    passes = len(report.passes)
    measured = f"median of {passes} passes" if passes > 1 else "1 pass"
    audio = f"{report.audio_seconds:g} s of {printable(report.audio)}"
    return f"{audio}, {_threads(report.machine.threads)}, {measured}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _rates(multiply_adds: int, seconds: float, share: float | None) -> tuple[str, str, str]:
    """Multiply-adds, their rate, and the share of the peak; nothing where nothing is counted."""
    if not multiply_adds or share is None:
        return ("", "", "")
    rate = multiply_adds / seconds if seconds else math.inf
    return (f"{multiply_adds / 1e9:.3g}", f"{rate / 1e9:.1f}", f"{share:.1%}")
