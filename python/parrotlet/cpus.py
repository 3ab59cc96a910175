"""How many threads to compute with by default."""

from __future__ import annotations

import os
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
