"""Pictures of a terminal for the pages, of commands that run here and now.

    python docs/terminal_screenshots.py            # draws docs/images/*.svg anew

A command gets a terminal of its own, so that it prints what it prints to people.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

IMAGES = Path(__file__).parent / "images"
REPOSITORY = Path(__file__).parents[1]

PICTURES = {
    "quick-start": (
        64,
        (
            "parrotlet transcribe -q examples/example.wav",
            "parrotlet transcribe -q examples/spelled.wav -f srt",
            "parrotlet stream -q --fast examples/example.wav",
        ),
    ),
    "memory": (
        96,
        ("parrotlet memory parakeet-tdt-0.6b-v2 --type q8_0 --seconds 60 --threads 2",),
    ),
}
"""Names, columns, and the commands that a picture shows."""

ROWS = 40

THEME = TerminalTheme(
    (24, 28, 32),
    (222, 226, 230),
    [
        *((24, 28, 32), (235, 100, 100), (100, 200, 130), (220, 190, 100)),
        *((110, 160, 235), (200, 130, 220), (80, 200, 200), (222, 226, 230)),
    ],
)

_FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def screen(name: str) -> Text:
    """Return what a picture shows: each command after a prompt, and what it prints."""
    columns, commands = PICTURES[name]
    shown = Text()
    for command in commands:
        shown.append("$ ", "bold green").append(f"{command}\n", "bold")
        shown.append_text(Text.from_ansi(printed(command, columns).rstrip("\r\n"))).append("\n\n")
    shown.rstrip()
    return shown


def printed(command: str, columns: int) -> str:
    """Return what a command prints on a terminal, whatever models the user has."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    program, *arguments = shlex.split(command)
    assert program == "parrotlet"
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "PARROTLET_CACHE": empty, "TERM": "xterm-256color"}
        for variable in ("PARROTLET_MODEL", "COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(variable, None)
        process = subprocess.Popen(
            [sys.executable, "-m", "parrotlet", *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        pieces = []
        while piece := _read(ours):
            pieces.append(piece)
        os.close(ours)
        if process.wait():
            raise SystemExit(f"{command} ended with status {process.returncode}")
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    """Read some of what was printed; nothing once the other side is closed: EIO on Linux."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def draw(name: str) -> str:
    """Return a picture as SVG. Fonts are those of whoever looks at it: none is fetched."""
    columns, _ = PICTURES[name]
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(file=nowhere, record=True, width=columns, force_terminal=True)
        console.print(screen(name), soft_wrap=False)
        svg = console.export_svg(title="parrotlet", theme=THEME, unique_id=name)
    return _FONT.sub("", svg).replace("Fira Code", "ui-monospace, Menlo, Consolas")


def main() -> None:
    """Draw all of them."""
    IMAGES.mkdir(exist_ok=True)
    for name in PICTURES:
        (IMAGES / f"{name}.svg").write_text(draw(name), encoding="utf-8")
        print(f"drew {name}")


if __name__ == "__main__":
    main()
