"""How Ctrl-C ends the command line where nothing is left to be put right.

It has to be imported before anything else can be, and so imports nothing that takes time.
"""

import os
import sys

EXIT_INTERRUPTED = 130
"""Shells report a program that Ctrl-C ended so."""


def end(*_: object) -> int:
    """End the process without anything else; does not return, and is a handler of signals."""
    if sys.stderr is not None:  # as it is where it is closed
        os.write(2, b"parrotlet: interrupted\n")
    os._exit(EXIT_INTERRUPTED)
