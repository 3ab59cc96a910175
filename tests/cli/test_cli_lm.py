"""`parrotlet lm` on the demo model."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

from parrotlet.decoding.language_model import read_arpa

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_model_of_text(parrotlet_command: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Enter two five\nerase\n" * 3, "utf-8")
    (tmp_path / "b.txt").write_text("enter nine, ninety\n", "utf-8")
    result = parrotlet_command(
        *("lm", "a.txt", "b.txt", "-o", "lm.arpa.gz", "--order", "3", "--prune", "0,0,1")
    )
    assert result.returncode == 0, result.stderr
    assert "7 sentences" in result.stderr
    assert "too small to estimate discounts" in result.stderr
    assert read_arpa(tmp_path / "lm.arpa.gz", 256).order == 3
    quiet = parrotlet_command("lm", "a.txt", "-m", "demo", "-o", "lm.arpa", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert gzip.decompress((tmp_path / "lm.arpa.gz").read_bytes())[:6] == b"\\data\\"


def test_what_the_model_cannot_write_is_said(parrotlet_command: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("größe größe größe\n", "utf-8")
    result = parrotlet_command("lm", "a.txt", "-o", "lm.arpa")
    assert result.returncode == 0
    assert "of the text's tokens are <unk>" in result.stderr


def test_errors(parrotlet_command: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n", "utf-8")
    for arguments, status, fault in (
        (["none.txt", "-o", "lm.arpa"], 1, "parrotlet: none.txt: cannot be read"),
        (["a.txt", "-o", "none/lm.arpa"], 1, "the folder none does not exist"),
        (["a.txt", "-o", "lm.arpa", "--order", "99"], 2, "order is 99; expected 2 to 16"),
        (["a.txt", "-o", "lm.arpa", "--prune", "1,0"], 2, "must not fall"),
        (["a.txt", "-o", "lm.arpa", "--prune", "x"], 2, "'x' is not a list of numbers"),
        (["a.txt"], 2, "--output"),
    ):
        result = parrotlet_command("lm", *arguments)
        assert result.returncode == status
        assert fault in result.stderr
        assert not (tmp_path / "lm.arpa").exists()
