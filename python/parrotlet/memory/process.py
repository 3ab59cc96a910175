"""What a Python process with the package needs before a model is loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

FIRST_USE = 1_500_000
"""Bytes of code and tables that the libraries touch when the first recording is transcribed,
measured on Linux (x86-64): they are read from files and appear when they are used."""

TYPICAL = 37_000_000
"""The same process where it cannot be measured."""

_MEASURE = """
import parrotlet.cli
try:
    print(open("/proc/self/status").read())
except OSError:
    import resource, sys
    unit = 1 if sys.platform == "darwin" else 1024
    print("VmHWM:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1024, "kB")
"""


@cache
def baseline() -> int:
    """Peak resident bytes of a process that has imported the package and has used it once.

    Measured by starting one, since it depends on the versions of Python and of the libraries.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return TYPICAL + FIRST_USE
    found = re.search(r"VmHWM:\s*(\d+)", done.stdout)
    return (int(found.group(1)) * 1024 if found else TYPICAL) + FIRST_USE
