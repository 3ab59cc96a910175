"""Running the application until a signal ends it."""

from __future__ import annotations

import socket
import sys

import uvicorn

from parrotlet.errors import ParrotletError
from parrotlet.serve.app import create_app
from parrotlet.serve.settings import ServeSettings


def serve(settings: ServeSettings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises ParrotletError where the address cannot be used.
    """
    app = create_app(settings)
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    print(f"parrotlet: serving on http://{where}:{port}", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
    except OSError as error:
        found.close()
        raise ParrotletError(
            f"{settings.host} port {settings.port}: cannot be used ({error.strerror or error}); "
            "choose another --host or --port"
        ) from error
    return found
