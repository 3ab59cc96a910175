"""What the recipes promise beyond that their blocks run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from blocks import REPOSITORY, blocks

RECIPES = REPOSITORY / "docs" / "recipes"


@pytest.fixture
def environment(folder: Path, programs: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}


def first_block(page: str) -> str:
    return next(block.code for block in blocks(RECIPES / page) if block.language == "sh")


def test_subtitles_lie_beside_their_videos(folder: Path, environment: dict[str, str]) -> None:
    subprocess.run(["bash", "-c", first_block("subtitles.md")], env=environment, check=True)
    for name in ("videos/one", "videos/more/two"):
        assert "two one five nine" in (folder / f"{name}.srt").read_text()


def test_dictation_records_and_then_types(folder: Path, environment: dict[str, str]) -> None:
    home = Path(environment["HOME"])
    environment["XDG_RUNTIME_DIR"] = str(home)
    subprocess.run(["bash", "-c", first_block("dictation.md")], env=environment, check=True)
    dictate = home / ".local" / "bin" / "dictate"
    subprocess.run([dictate], env=environment, check=True, stdout=subprocess.DEVNULL)
    while not (home / "dictation.wav").exists():
        time.sleep(0.01)
    assert not (home / "typed").exists()
    subprocess.run([dictate], env=environment, check=True)
    assert (home / "typed").read_text() == "two one five nine "
    assert not list(home.glob("dictation.wav*"))
