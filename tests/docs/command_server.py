"""Commands of this package for a shell, without an interpreter's start for each: a process that has
imported the package forks for every command.

    python command_server.py SOCKET     # is that process
    python -S command_server.py SOCKET [ARGUMENT...]  with $PARROTLET_CLIENT set: runs a command
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

COMMANDS_THAT_STAY = ("serve",)
"""Commands that wait for others: their command line is parsed, and no more."""

MICROPHONE = "--mic"


def serve(path: str) -> None:
    """Answer on the socket `path` until the process is ended."""
    import av
    import soxr

    from parrotlet.cli import build_parser

    assert av and soxr  # imported once for all
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    build_parser()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        connection, _ = listener.accept()
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 3)
        if os.fork() == 0:
            listener.close()
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
            sys.stdin = os.fdopen(0, encoding="utf-8")
            sys.stdout = os.fdopen(1, "w", encoding="utf-8")
            sys.stderr = os.fdopen(2, "w", encoding="utf-8")
            connection.send(bytes([_status(json.loads(message))]))
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.close()


def _status(request: dict[str, object]) -> int:
    """Run a command in the process that was forked for it, and return its exit status."""
    from parrotlet.cli import main

    arguments, folder, parse_only = request["arguments"], request["folder"], request["parse"]
    os.chdir(folder)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        if parse_only or MICROPHONE in arguments or arguments[0] in COMMANDS_THAT_STAY:
            return _parsed(arguments)
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _parsed(arguments: list[str]) -> int:
    """Parse a command line; SystemExit says that it is wrong."""
    from parrotlet.cli import parse_arguments

    parse_arguments(arguments)
    return 0


def ask(path: str, arguments: list[str]) -> int:
    """Have a command run with this process's folder and streams; return its exit status."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        request = {
            "arguments": arguments,
            "folder": str(Path.cwd()),
            "parse": bool(os.environ.get("PARSE_ONLY")),
        }
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        answer = connection.recv(1)
    return answer[0] if answer else 70  # the process has died


if __name__ == "__main__":
    if os.environ.get("PARROTLET_CLIENT"):
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
