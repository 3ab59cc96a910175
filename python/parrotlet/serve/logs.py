"""The log of a server on standard error, as text or as a JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

_LOGGERS = ("parrotlet", "uvicorn.error")


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


@contextmanager
def logging_to_stderr(as_json: bool, quiet: bool) -> Iterator[None]:
    """Write what the package and uvicorn log to standard error, and nowhere else, meanwhile."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Text())
    before = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.handlers[:], logger.level, logger.propagate))
        logger.handlers[:] = [handler]
        wanted = logging.INFO if name == "parrotlet" else logging.WARNING
        logger.setLevel(logging.ERROR if quiet else wanted)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
