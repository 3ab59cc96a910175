"""What a benchmark finds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from parrotlet.bench.machine import Machine


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a pass: "mel", "subsampling", "attention", "feed_forward", "convolution",
    "decoding", or "rest" for everything else.

    `least_seconds` is what its multiply-adds take at the machine's peak.
    """

    name: str
    seconds: float
    multiply_adds: int
    least_seconds: float

    @property
    def peak_share(self) -> float | None:
        """Share of the machine's peak at which the stage ran; None where nothing is counted."""
        return self.least_seconds / self.seconds if self.least_seconds and self.seconds else None


@dataclass(frozen=True, slots=True)
class Report:
    """Passes of one model over one recording.

    `seconds` and `stages` are those of the median pass; `passes` has the seconds of every pass.
    `type` is the type of most weights. `head` is "ctc", "rnnt" or "tdt". `search` says how tokens
    are searched for: "greedy", or as in "beam of 4, language model, 20 phrases". `paced` says that
    a transducer with random weights was made to emit tokens at the pace of speech. `tokens` is the
    number of tokens that came out.
    """

    model: str
    type: str
    random_weights: bool
    file_bytes: int
    load_seconds: float
    audio: str
    audio_seconds: float
    head: str
    search: str
    paced: bool
    tokens: int
    passes: tuple[float, ...]
    seconds: float
    stages: tuple[Stage, ...]
    machine: Machine

    @property
    def decoder(self) -> str:
        """Older name of `head`."""
        return self.head

    @property
    def times_real_time(self) -> float:
        """Seconds of audio transcribed in one second: RTFx."""
        return self.audio_seconds / self.seconds

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of a pass."""
        return sum(stage.multiply_adds for stage in self.stages)

    @property
    def multiply_adds_per_second(self) -> float:
        """Multiply-adds of a pass by its time."""
        return self.multiply_adds / self.seconds

    @property
    def peak_share(self) -> float:
        """Share of the pass's time that its multiply-adds take at the machine's peak."""
        return sum(stage.least_seconds for stage in self.stages) / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Everything, as `parrotlet bench --json` prints it; "decoder" is the head."""
        found = dataclasses.asdict(self)
        found["decoder"] = found.pop("head")
        for stage, values in zip(self.stages, found["stages"], strict=True):
            values["peak_share"] = stage.peak_share
        for name in ("times_real_time", "multiply_adds", "multiply_adds_per_second", "peak_share"):
            found[name] = getattr(self, name)
        return found
