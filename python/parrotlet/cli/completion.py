"""`parrotlet completion`: what a shell needs to complete commands, options and file names."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from parrotlet.cli.console import HelpFormatter
from parrotlet.output import EXTENSIONS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

SHELLS = ("bash", "zsh", "tcsh", "fish")

FILES = frozenset({"audio", "model", "checkpoint", "input", "output", "plot", "lm", "phrases"})
DIRECTORIES = frozenset({"output_dir"})
"""Names of the arguments that are paths."""

EPILOG = """\
examples:
  bash:  parrotlet completion bash > ~/.local/share/bash-completion/completions/parrotlet
  zsh:   parrotlet completion zsh > ~/.zfunc/_parrotlet   (with ~/.zfunc in $fpath)
  tcsh:  parrotlet completion tcsh > ~/.parrotlet.tcsh    (and source it)
  fish:  parrotlet completion fish > ~/.config/fish/completions/parrotlet.fish
"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "completion",
        help=summary,
        description="Print a script that completes commands, options and file names in a shell.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    parser = args.build_parser()
    _complete_values(parser)
    print(shtab.complete(parser, args.shell))
    return 0


def _complete_values(parser: argparse.ArgumentParser) -> None:
    """Let every argument that is a path complete to files or folders, and names to what is known.

    `parser` is of no use for anything else after that.
    """
    import shtab

    from parrotlet.bench import preset_names
    from parrotlet.known_models import known_models

    known = known_models()
    names = {
        "format": list(EXTENSIONS),
        "preset": preset_names(),
        "language": sorted({code for model in known for code in model.languages}),
        "models": [model.name for model in known if model.on_hub],
    }
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_values(command)
        elif action.dest in names and action.choices is None:
            action.choices = names[action.dest]
        elif action.dest in DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.dest in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
