"""What a measurement should say about the machine, as far as Linux tells."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from parrotlet.bench.machine import processor_name

FLAGS = (
    *("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16"),
    *("amx_int8", "asimddp", "i8mm", "bf16"),
)
"""Processor features that matrix products depend on, in the words of /proc/cpuinfo."""


def describe() -> dict[str, str]:
    """Processor, system and Python."""
    words = _cpuinfo()
    flags = (words.get("flags") or words.get("Features") or "").split()
    return {
        "processor": processor_name(),
        "family, model": f"{words.get('cpu family', '?')}, {words.get('model', '?')}",
        "cores": str(os.cpu_count()),
        "features": " ".join(flag for flag in FLAGS if flag in flags),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpuinfo() -> dict[str, str]:
    """Fields of the first processor."""
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text().partition("\n\n")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


@dataclass
class Disturbance:
    """Processor time that others took while something was timed."""

    others: float = 0.0
    """Seconds of processor time spent on other processes and given to other machines."""
    available: float = 0.0
    """Seconds of processor time that there were."""

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(1.0, max(0.0, self.others / self.available)) if self.available else 0.0


class Watch:
    """Takes the processor time of the whole machine from `start` on."""

    def __init__(self) -> None:
        """Start."""
        self._busy = _busy_seconds()
        self._wall = time.perf_counter()

    def add_to(self, total: Disturbance, own_seconds: float) -> None:
        """Count what was used since the start, beyond `own_seconds`."""
        total.others += _busy_seconds() - self._busy - own_seconds
        total.available += (time.perf_counter() - self._wall) * (os.cpu_count() or 1)


def _busy_seconds() -> float:
    """Processor time used by anyone since the start of the system; 0 where it is not known."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, first.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
