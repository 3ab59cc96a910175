"""`python -m parrotlet`: the command line."""

import sys

from parrotlet.cli import main

if __name__ == "__main__":
    sys.exit(main())
