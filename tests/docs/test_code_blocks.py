"""Every code block of README.md and of the pages runs, or says why it does not.

Blocks of a page run in order and in one folder, Python blocks with the variables of those before.
Names of recordings, models and texts are those of stand-ins (`conftest.py`), and so are those of
repositories of the hub. Shell blocks run in bash with the real `parrotlet`. In place of other
programs are such as do nothing. What waits for a microphone or for clients is parsed. So is all in
a block after

    <!-- not run: REASON -->

where Python is compiled.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from blocks import PAGES, REPOSITORY, Block, blocks

import parrotlet
from parrotlet.cli import parse_arguments

REPOSITORIES = re.compile(r"nvidia/[\w.-]+")
CONVERTED = re.compile(r"""(convert[ (]["']?(?:-o \S+ \\\n +)?)nvidia/[\w.-]+""")

EXTRAS = re.compile(r"(?:parrotlet|\.)\[([\w,]+)\]")


def local(code: str) -> str:
    """`code` with files in place of repositories: checkpoints where it converts, else models."""
    return REPOSITORIES.sub("parakeet.gguf", CONVERTED.sub(r"\1hub.nemo", code))


class Shell:
    """Bash in the folder of a page."""

    def __init__(self, programs: Path) -> None:
        self._path = f"{programs}:/usr/local/bin:/usr/bin:/bin"
        binaries = Path(".venv/bin")
        binaries.mkdir(parents=True)
        (binaries / "activate").touch()
        for name in ("pip", "parrotlet"):
            (binaries / name).symlink_to(programs / name)
        (binaries / "python").symlink_to(programs / "python3")

    def run(self, block: Block, code: str) -> str:
        """Run some of a block and return what it prints."""
        environment = {**os.environ, "PATH": self._path, "PYTHONUTF8": "1"}
        if block.reason:
            environment["PARSE_ONLY"] = "1"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", local(code)],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}\n{done.stdout}"
        return done.stdout


class Page:
    """What the blocks of a page have in common, and how each kind of block is run."""

    def __init__(self, programs: Path) -> None:
        self._shell = Shell(programs)
        self._variables: dict[str, object] = {}

    def run(self, block: Block) -> None:
        """Run a block."""
        kinds: dict[str, Callable[[Block], object]] = {
            "sh": lambda block: self._shell.run(block, block.code),
            "console": self._console,
            "python": self._python,
            "json": lambda block: json.loads(block.code),
            "yaml": lambda block: yaml.safe_load(block.code),
            "ini": lambda block: configparser.ConfigParser().read_string(block.code),
            "dockerfile": self._dockerfile,
            "text": lambda block: None,
        }
        assert block.language in kinds, (
            f"{block.place}: no test knows how to run {block.language!r}"
        )
        kinds[block.language](block)

    def _dockerfile(self, block: Block) -> None:
        """Parse the command that the container runs."""
        program, *arguments = [
            word
            for key in ("ENTRYPOINT", "CMD")
            for line in re.findall(rf"^{key} (.*)$", block.code, re.MULTILINE)
            for word in json.loads(line)
        ]
        assert program == "parrotlet"
        parse_arguments(arguments)

    def _console(self, block: Block) -> None:
        """Run the commands after `$`, and compare what they print with what the page says."""
        commands = re.findall(r"^\$ (.*)$", block.code, re.MULTILINE)
        said = re.sub(r"^\$ .*\n", "", block.code, flags=re.MULTILINE)
        printed = self._shell.run(block, "\n".join(commands))
        assert block.reason or printed == said, f"{block.place} prints: {printed}"

    def _python(self, block: Block) -> None:
        code = compile("\n" * (block.line - 1) + local(block.code), str(block.page), "exec")
        if block.reason:
            return
        if not self._variables:
            quarter = np.zeros(4000, np.float32)
            self._variables |= {
                "parrotlet": parrotlet,
                "model": parrotlet.load(threads=1),
                "samples": quarter,
                "source": [quarter] * 4,
                "microphone": [quarter] * 4,
                "paths": ["talk.wav", "talk.flac"],
            }
        with warnings.catch_warnings():
            # The demo model writes no capitals.
            warnings.filterwarnings("ignore", "the vocabulary cannot write")
            exec(code, self._variables)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_run(page: Path, folder: Path, programs: Path) -> None:
    shared = Page(programs)
    for block in blocks(page):
        shared.run(block)


@pytest.mark.parametrize("reason", ["", "waits for spring"])
def test_a_wrong_command_is_found(folder: Path, programs: Path, reason: str) -> None:
    code = "parrotlet transcribe talk.flac --no-such-option\n"
    with pytest.raises(AssertionError, match=r"(?s)README.md:7.*--no-such-option"):
        Page(programs).run(Block(PAGES[0], 7, "sh", code, reason))


def test_no_command_is_outside_a_block() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        indented = re.findall(r"\n\n {4}((?:parrotlet|python|pip) [^\n]*)", text)
        assert not indented, f"{page.name}: {indented}"


def test_extras_that_are_named_are_there() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    listed = project.partition("[project.optional-dependencies]\n")[2].partition("\n\n")[0]
    known = set(re.findall(r"^(\w+) = ", listed, re.MULTILINE))
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = {extra for group in EXTRAS.findall(text) for extra in group.split(",")}
    assert {"hub", "mic"} <= named <= known
