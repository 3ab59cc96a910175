"""The log of a server on standard error, as text or as a JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

_LOGGERS = ("parrotlet", "uvicorn.error", "")
"""The last is the root: what asyncio and others log would be written by whoever logs."""

_MOST_LINES = 10_000
"""Lines that wait for standard error; those beyond are lost, and their number is told."""

_LAST_SECONDS = 2.0
"""How long the end waits for the last lines to be written."""


class _Text(logging.Formatter):
    """A line of text; what others sent cannot begin another line."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{_time(record)} {record.levelname} {record.getMessage()}"
        text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class _Json(logging.Formatter):
    """A JSON object a line, with the fields of requests."""

    def format(self, record: logging.LogRecord) -> str:
        found = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(found)


class BackgroundHandler(logging.Handler):
    """Writes to a file descriptor in a thread of its own, as fast as that is read.

    Whoever logs never waits: a full pipe that nobody reads would stop an event loop. The standard
    library's QueueListener would do, if its end did not wait for such a pipe.
    """

    def __init__(self, descriptor: int) -> None:
        """Begin with nothing to write."""
        super().__init__()
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_LINES)
        self._lost = 0
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written, or lose it if too many wait."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Wait until all is written, for a short time: who reads it may have stopped."""
        if not self._ending and self._thread.is_alive():
            self._ending = True
            with suppress(queue.Full):
                self._lines.put(None, timeout=_LAST_SECONDS)
                self._thread.join(_LAST_SECONDS)
        super().close()

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            try:
                if lost:
                    self._write(f"({lost} lines of the log were lost: nobody read them)")
                self._write(line)
            except OSError:
                return  # nobody will read any more

    def _write(self, line: str) -> None:
        # Not sys.stderr: the interpreter's end would wait for its lock.
        data = (line + "\n").encode(errors="backslashreplace")
        while data:
            data = data[os.write(self._descriptor, data) :]


@contextmanager
def logging_to_stderr(as_json: bool, quiet: bool) -> Iterator[None]:
    """Write what is logged, and warnings, to standard error, and nowhere else, meanwhile."""
    handler = BackgroundHandler(sys.stderr.fileno())
    handler.setFormatter(_Json() if as_json else _Text())
    before = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.handlers[:], logger.level, logger.propagate))
        logger.handlers[:] = [handler]
        wanted = logging.INFO if name == "parrotlet" else logging.WARNING
        logger.setLevel(logging.ERROR if quiet else wanted)
        logger.propagate = False
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, handlers, level, propagate in before:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
        handler.close()


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
