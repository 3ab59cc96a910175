"""Captions in a file that another program shows, such as OBS: the last two lines of what is said.

parrotlet stream --mic --format json | python examples/captions.py captions.txt
"""

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

COLUMNS = 42
LINES = 2
KEPT = 40
"""Words that the lines are made of; more than fit."""


def captions(changes: Iterable[str]) -> Iterator[str]:
    """Yield what is to be seen after each change: final words, and those that may still change."""
    final: list[str] = []
    for line in changes:
        change = json.loads(line)
        if change["type"] == "partial":
            final += [word["word"] for word in change["words"]]
            del final[:-KEPT]
            text = " ".join([*final, change["unfinished"]])
            yield "\n".join(textwrap.wrap(text, COLUMNS)[-LINES:])


def replace(path: Path, text: str) -> None:
    """Write a file that is never seen half written."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(f"{text}\n", encoding="utf-8")
    new.replace(path)


if len(sys.argv) != 2:
    sys.exit(__doc__)
for caption in captions(sys.stdin):
    replace(Path(sys.argv[1]), caption)
