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
import parrotlet.cli
try:
    print(open("/proc/self/status").read())
except OSError:
    import resource, sys
    unit = 1 if sys.platform == "darwin" else 1024
    print("VmHWM:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1024, "kB")
"""


@cache
def measured_process() -> int:
    """Peak resident bytes of a process that has imported the package and has read a recording."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return typical_process()
    found = re.search(r"VmHWM:\s*(\d+)", done.stdout)
    return int(found.group(1)) * 1024 + FIRST_USE if found else typical_process()
