"""Ctrl-C while the command line is imported, and after it has returned."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PRESS = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"

AT_EXIT = f"""
import atexit
def press():
    {PRESS}
atexit.register(press)
"""

IN_A_CLEANUP = f"""
class Held:
    def __del__(self):
        {PRESS}
Held()
"""
"""Where the exception of Ctrl-C is printed and goes nowhere, as in some imports of extensions."""

NEEDS_NUMPY = ("transcribe", "--help")


def script() -> str:
    """What the installed command is: the line of pyproject.toml, as pip writes it."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    module, function = re.search(r'^parrotlet = "([\w.]+):(\w+)"$', text, re.MULTILINE).groups()
    return f"import sys; from {module} import {function}; sys.exit({function}())"


def run(tmp_path: Path, numpy: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a module `numpy` of this source, which some commands import."""
    (tmp_path / "numpy.py").write_text(numpy)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.fixture(params=["script", "module"])
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return ("-c", script()) if request.param == "script" else ("-m", "parrotlet")


@pytest.mark.parametrize("source", [PRESS, IN_A_CLEANUP], ids=["import", "cleanup"])
def test_during_imports(command: tuple[str, ...], source: str, tmp_path: Path) -> None:
    ended = run(tmp_path, f"{source}\nimport time\ntime.sleep(30)", *command, *NEEDS_NUMPY)
    assert ended.returncode == 130
    assert ended.stderr == "parrotlet: interrupted\n" and not ended.stdout


def test_at_exit(command: tuple[str, ...], tmp_path: Path) -> None:
    # The real NumPy follows, from the rest of the path.
    real = """
import sys
del sys.modules["numpy"]
sys.path.remove(__file__[: -len("/numpy.py")])
import numpy
"""
    ended = run(tmp_path, f"{AT_EXIT}\n{real}", *command, *NEEDS_NUMPY)
    assert ended.returncode == 130
    assert ended.stderr == "parrotlet: interrupted\n"


def test_what_is_started_in_the_background_goes_on(tmp_path: Path) -> None:
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {script()}"
    ended = run(tmp_path, f"{PRESS}\nraise SystemExit(7)", "-c", ignoring, *NEEDS_NUMPY)
    assert ended.returncode == 7 and not ended.stderr
