"""What the machine and the process have: cores to compute with, and memory."""

from __future__ import annotations

import os
import re
from pathlib import Path

MAX_THREADS = 1024
"""Most threads that may be asked for."""


def usable_cores() -> int:
    """Physical cores that this process may run on, at least 1.

    Respects CPU affinity and, on Linux, the quota of the control group (containers). Two threads
    of one core share its arithmetic units, so the second adds contention and no speed.
    """
    if hasattr(os, "sched_getaffinity"):
        cpus = os.sched_getaffinity(0)
        count = len({_siblings(cpu) for cpu in cpus})
    else:
        count = os.cpu_count() or 1
    quota = _quota()
    return min(MAX_THREADS, max(1, count if quota is None else min(count, quota)))


def _siblings(cpu: int) -> str:
    """Identify the core of a logical CPU by the CPUs that share it; without sysfs, by itself."""
    topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return topology.read_text().strip() or str(cpu)
    except OSError:
        return str(cpu)


def _quota() -> int | None:
    """Whole CPUs that the control group grants, rounded up; None if there is no limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else -(-int(limit) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None


def parse_bytes(text: str) -> int:
    """Read a size such as 2G, 1.5GB, 800M or 1000000000. Raises ValueError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)[bB]?\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is no size; write it like 2G or 800M")
    number, unit, binary = match.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** " kMGT".index(unit.replace("K", "k") or " "))


def process_bytes() -> int:
    """Memory that this process has now; 0 where that cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
        import sys
    except ImportError:
        return 0
    # Not the present value but the largest so far; in bytes on macOS, in kilobytes elsewhere.
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def free_bytes() -> int:
    """Memory that this process could still get: of the machine, and of its control group."""
    free = _machine_bytes()
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):
            continue
    return max(0, free)


def _machine_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError, AttributeError):
        return 4 << 30
