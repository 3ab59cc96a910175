"""What is imported only when it is needed: nobody waits for it who asks for help or a version."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "av",
    "email",
    "gguf",
    "huggingface_hub",
    "importlib.metadata",
    "matplotlib",
    "parrotlet._convert",
    "parrotlet.bench",
    "parrotlet.memory.report",
    "parrotlet.ngrams",
    "rich.console",
    "sentencepiece",
    "shtab",
    "parrotlet.serve",
    "soxr",
    "starlette",
    "tempfile",
    "urllib.request",
    "uvicorn",
    "yaml",
)
"""Libraries, and parts of the package, that one kind of work needs."""

RECORDING = """
import io, wave
file = io.BytesIO()
with wave.open(file, "wb") as out:
    out.setparams((1, WIDTH, 16000, 0, "NONE", None))
    out.writeframes(bytes(WIDTH * 16000))
import parrotlet.audio
assert len(parrotlet.audio.read_audio(file, 16000)) == 16000
"""


def imported(code: str) -> set[str]:
    """Names of the modules of a process that has run `code`."""
    printed = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", printed], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What NumPy and the interpreter import, of which releases differ."""
    return imported("import numpy")


def helped(*arguments: str) -> str:
    """Code that runs a command line which prints something and exits."""
    return (
        "from parrotlet.cli import main\n"
        f"try:\n    main({list(arguments)})\nexcept SystemExit as ended:\n    assert not ended.code"
    )


@pytest.mark.parametrize(
    "code",
    ("from parrotlet import load", helped("--help"), helped("transcribe", "--help")),
    ids=("package", "help", "help of a command"),
)
def test_what_is_not_needed_is_not_imported(code: str, bare: set[str]) -> None:
    assert not set(HEAVY) & (imported(code) - bare)


def test_the_package_imports_what_is_asked_for() -> None:
    found = imported("import parrotlet") - imported("pass")
    assert found == {"parrotlet"}
    assert {"numpy", "parrotlet.model"} <= imported("import parrotlet\nparrotlet.Model")


@pytest.mark.parametrize(
    ("command", "modules"),
    [
        (("--help",), {"numpy", "parrotlet.cli.convert", "parrotlet.cli.transcribe"}),
        (("convert", "--help"), {"numpy", "parrotlet.cli.transcribe"}),
        (("transcribe", "--help"), {"parrotlet.cli.convert", "parrotlet.cli.serve"}),
    ],
)
def test_a_command_imports_no_other(command: tuple[str, ...], modules: set[str]) -> None:
    assert not modules & imported(helped(*command))


def test_the_version_needs_metadata_alone(bare: set[str]) -> None:
    needed = {"importlib.metadata", "email", "tempfile"}  # importlib.metadata's own
    assert not (set(HEAVY) - needed) & (imported(helped("--version")) - bare)


def test_reading_imports_the_decoder(bare: set[str]) -> None:
    found = imported(RECORDING.replace("WIDTH", "3")) - bare
    assert "av" in found
    assert not {"soxr", "sentencepiece", "urllib.request"} & found


def test_samples_of_16_bits_need_no_decoder(bare: set[str]) -> None:
    assert not set(HEAVY) & (imported(RECORDING.replace("WIDTH", "2")) - bare)
