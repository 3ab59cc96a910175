"""Figures of one comparison, and the Markdown that shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

WHOLE = "whole pipeline"
ENCODER = "encoder"
MEGABYTE = 1e6


@dataclass(frozen=True)
class Subject:
    """A runtime with one model."""

    runtime: str
    type: str
    baseline: bool = False
    """Whether others are given in multiples of its encoder's speed."""

    @property
    def name(self) -> str:
        """As in "ONNX Runtime 1.23.2 int8"."""
        return f"{self.runtime} {self.type}"


@dataclass
class Row:
    """What one stage of one subject took, on one length of audio."""

    subject: Subject
    stage: str
    audio_seconds: float
    seconds: list[float] = field(default_factory=list)
    error: float | None = None
    """Mean absolute difference of the subject's encoder from the reference's."""

    @property
    def median(self) -> float:
        """Seconds."""
        return median(self.seconds)

    @property
    def real_time(self) -> float:
        """Seconds of audio in a second."""
        return self.audio_seconds / self.median

    def ratio(self, other: Row) -> float:
        """How many times as fast as `other`: the median over the rounds that both ran in."""
        pairs = zip(other.seconds, self.seconds, strict=True)
        return median(theirs / ours for theirs, ours in pairs)


@dataclass(frozen=True)
class Loading:
    """What loading one subject took, and what it held at its peak."""

    subject: Subject
    model_bytes: int
    load_seconds: float
    peak_bytes: int


def baselines(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows that others are compared with, by type: the fastest encoder of all baselines."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.subject.baseline and row.stage == ENCODER:
            current = best.setdefault(row.subject.type, row)
            if row.median < current.median:
                best[row.subject.type] = row
    return best


def speed_table(rows: Sequence[Row], reference: str | None) -> str:
    """Return the speeds on one length of audio, best read as multiples of the baselines'."""
    others = baselines(rows)
    heads = ["runtime", "type", "what runs", "median, s", "from, to", "x real time"]
    heads += [f"x {row.subject.name}" for row in others.values()]
    if reference is not None:
        heads.append(f"encoder's mean difference from {reference}")
    lines = []
    for row in rows:
        cells = [row.subject.runtime, row.subject.type, row.stage, f"{row.median:.3f}"]
        cells += [f"{min(row.seconds):.3f}, {max(row.seconds):.3f}", f"{row.real_time:.1f}"]
        cells += [f"{row.ratio(other):.2f}" for other in others.values()]
        if reference is not None:
            cells.append("" if row.error is None else f"{row.error:.1e}")
        lines.append(cells)
    return _markdown(heads, lines)


def length_table(clips: Sequence[Sequence[Row]]) -> str:
    """Return every row's speed on each length of audio, and how the others are to the first."""
    first, *others = clips
    heads = ["runtime", "type", "what runs"]
    heads += [f"{rows[0].audio_seconds:g} s" for rows in clips]
    heads += [f"{rows[0].audio_seconds:g} s / {first[0].audio_seconds:g} s" for rows in others]
    lines = []
    for same in zip(*clips, strict=True):
        speeds = [row.real_time for row in same]
        cells = [same[0].subject.runtime, same[0].subject.type, same[0].stage]
        cells += [f"{speed:.1f}" for speed in speeds]
        cells += [f"{speed / speeds[0]:.0%}" for speed in speeds[1:]]
        lines.append(cells)
    return _markdown(heads, lines)


def loading_table(loadings: Iterable[Loading]) -> str:
    """Return the seconds and megabytes of loading."""
    heads = ["runtime", "type", "file, MB", "load, s", "peak memory, MB", "over the file, MB"]
    return _markdown(
        heads,
        [
            [
                entry.subject.runtime,
                entry.subject.type,
                f"{entry.model_bytes / MEGABYTE:.0f}",
                f"{entry.load_seconds:.2f}",
                f"{entry.peak_bytes / MEGABYTE:.0f}",
                f"{(entry.peak_bytes - entry.model_bytes) / MEGABYTE:.0f}",
            ]
            for entry in loadings
        ],
    )


def record(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the same as `speed_table`, and every single time, for a JSON file."""
    others = baselines(rows)
    return [
        {
            "runtime": row.subject.runtime,
            "type": row.subject.type,
            "stage": row.stage,
            "seconds": row.seconds,
            "median_seconds": row.median,
            "real_time": row.real_time,
            "ratios": {o.subject.name: row.ratio(o) for o in others.values()},
            "error": row.error,
        }
        for row in rows
    ]


def _markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    texts = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in texts)
