"""What the site has beyond the pages of this folder, as hooks of MkDocs.

`results.md` is `bench/RESULTS.md`; links between the two lead to the right place; and a line
`<!-- help: COMMAND -->` becomes what `parrotlet COMMAND --help` prints.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from parrotlet.cli import build_parser

REPOSITORY = Path(__file__).parent.parent
INCLUDED = {"bench/RESULTS.md": "results.md", "README.md": "index.md"}
"""Files outside this folder that pages link to, and the pages that stand for them."""


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the results to the site."""
    text = (REPOSITORY / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "results.md", content=text.replace("](../docs/", "](")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links out of the folder to pages of the site, and fill in help texts."""
    for path, page in INCLUDED.items():
        markdown = markdown.replace(f"](../{path}", f"]({page}")
    return re.sub(r"^<!-- help: ?(.*?) ?-->$", _help, markdown, flags=re.MULTILINE)


def _help(match: re.Match[str]) -> str:
    """Return the help of a command as a code block."""
    os.environ["COLUMNS"] = "96"
    chosen = build_parser()
    for name in match[1].split():
        (commands,) = (
            action for action in chosen._actions if isinstance(action, argparse._SubParsersAction)
        )
        chosen = commands.choices[name]
    return f"```text\n{chosen.format_help().rstrip()}\n```"
