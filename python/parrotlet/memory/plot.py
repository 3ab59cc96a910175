"""A stacked bar per type of weights: what is needed, by component and use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from parrotlet.errors import ParrotletError
from parrotlet.memory.report import Estimate, MemoryReport
from parrotlet.replacing import replaced

FORMATS = (".png", ".svg")

_GROUPS = ("scorers", "caches", "activations", "input", "process")


def plot(report: MemoryReport, path: str | os.PathLike[str]) -> Path:
    """Draw a report's estimates into a `.png` or `.svg` file and return its path.

    The bars are in decimal megabytes or gigabytes. Raises ValueError for another suffix, and
    ParrotletError if matplotlib is missing or the file cannot be written. `path` is replaced only
    by a complete file.
    """
    target = Path(os.fspath(path))
    if target.suffix.lower() not in FORMATS:
        raise ValueError(f"{target}: a plot is {' or '.join(FORMATS)}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ParrotletError(
            f"{target}: drawing needs matplotlib: pip install 'parrotlet[plot]'"
        ) from error
    figure = Figure(figsize=(3.5 + 0.9 * len(report.estimates), 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    unit, name = _unit(report)
    bottoms = dict.fromkeys(report.estimates, 0.0)
    for label, sizes in _stacks(report):
        heights = [sizes[type] / unit for type in bottoms]
        axes.bar(list(bottoms), heights, bottom=list(bottoms.values()), label=label)
        for type, height in zip(bottoms, heights, strict=True):
            bottoms[type] += height
    for index, total in enumerate(bottoms.values()):
        axes.annotate(f"{total:.3g}", (index, total), ha="center", va="bottom", fontsize="small")
    axes.set_ylabel(name)
    axes.set_title(f"{report.name}: {report.parameters / 1e6:,.1f} M parameters")
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return _save(figure, target)


def stack_labels(report: MemoryReport) -> list[str]:
    """What the segments of the bars stand for, from the bottom up."""
    return [label for label, _ in _stacks(report)]


def _unit(report: MemoryReport) -> tuple[float, str]:
    largest = max(estimate.total for estimate in report.estimates.values())
    return (1e9, "GB") if largest >= 1e9 else (1e6, "MB")


def _stacks(report: MemoryReport) -> Iterator[tuple[str, dict[str, float]]]:
    """Segments with their sizes by type: weights by component, then the other uses."""
    estimates = report.estimates
    for component in report.components:
        yield (
            component.name,
            {
                type: _share(report, component.bytes[type], estimate)
                for type, estimate in estimates.items()
            },
        )
    for group in _GROUPS:
        sizes = {type: float(estimate.group(group)) for type, estimate in estimates.items()}
        if any(sizes.values()):
            yield group, sizes


def _share(report: MemoryReport, size: int, estimate: Estimate) -> float:
    """A component's part of the weights in memory, which are packed or spread over devices."""
    return estimate.group("weights") * size / report.bytes[estimate.type]


def _save(figure: object, target: Path) -> Path:
    format = target.suffix.lower().removeprefix(".")
    try:
        with replaced(target) as temporary:
            figure.savefig(temporary, format=format, dpi=150)  # type: ignore[attr-defined]
    except OSError as error:
        raise ParrotletError(f"{target}: cannot be written ({error.strerror or error})") from error
    return target
