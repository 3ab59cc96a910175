"""The command `parrotlet`, which `python -m parrotlet` runs as well."""

import signal
import sys

from parrotlet.interrupts import end


def main() -> int:
    """Run the command line and return the exit status; Ctrl-C never ends in a traceback.

    The command line has its own way to end. While it is imported, and once it has returned, nothing
    is left to be put right, and the process ends at once: an exception would go through the imports
    of extensions, and through what the interpreter calls at its exit.
    """
    # A shell lets what it starts in the background ignore Ctrl-C.
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, end)
    from parrotlet import cli

    cli.command_of(sys.argv[1:])  # which imports it
    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return cli.main()
    except KeyboardInterrupt:
        return end()
    finally:
        if heard:
            signal.signal(signal.SIGINT, end)


if __name__ == "__main__":
    sys.exit(main())
