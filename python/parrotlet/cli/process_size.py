"""Measuring how large a process like this one is; versions of Python and libraries differ.

Only the command line starts a process to find out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

from parrotlet.memory.process import FIRST_USE, typical_process

_MEASURE = """
import av
import parrotlet.cli.transcribe
try:
    print(open("/proc/self/status").read())
except OSError:
    import resource, sys
    unit = 1 if sys.platform == "darwin" else 1024
    print("VmHWM:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1024, "kB")
import ctypes
try:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
except (AttributeError, OSError, TypeError):
    pass  # a C library other than glibc, or one before 2.33
else:
    fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    mallinfo2.restype = type(
        "mallinfo2", (ctypes.Structure,), {"_fields_": [(f, ctypes.c_size_t) for f in fields]}
    )
    print("free:", mallinfo2().fordblks)
"""
"""Prints the peak, and what of the heap imports have given back: a recording's samples go there,
where some versions of libraries leave 6 MB."""


@cache
def measured_process() -> int:
    """Peak resident bytes of a process that has imported what transcribing needs and has read a
    recording, without what of its heap is free again."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return typical_process()
    found = re.search(r"VmHWM:\s*(\d+)", done.stdout)
    if found is None:
        return typical_process()
    free = re.search(r"free: (\d+)", done.stdout)
    return int(found.group(1)) * 1024 - (int(free.group(1)) if free else 0) + FIRST_USE
