"""Write the log: one JSON object a line for machines, short lines for a terminal."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any, TextIO

__all__ = ["JsonFormatter", "TerminalFormatter", "configure"]

# What every record has; the rest was given by who logged.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLORS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}
_WORDS = {logging.WARNING: "warning: ", logging.ERROR: "error: ", logging.CRITICAL: "error: "}


def _given(record: logging.LogRecord) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and not name.startswith("color_")
    }


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        content: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_given(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str, ensure_ascii=False)


class TerminalFormatter(logging.Formatter):
    """Write a record for somebody who watches."""

    def __init__(self, *, color: bool) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or several with a traceback."""
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        word = _WORDS.get(record.levelno, "")
        if word and self._color:
            word = f"\x1b[{_COLORS[record.levelno]}m{word}\x1b[0m"
        more = "".join(f"  {name}={value}" for name, value in _given(record).items())
        line = f"{moment} {word}{record.getMessage()}{more}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure(form: str, stream: TextIO | None = None) -> None:
    """
    Send the log to *stream*, standard error if left out.

    Args:
        form: `json`, `text`, or `auto` for text on a terminal and JSON elsewhere.
    """
    stream = stream or sys.stderr
    watched = stream.isatty()
    text = form == "text" or (form == "auto" and watched)
    handler = logging.StreamHandler(stream)
    color = watched and not os.environ.get("NO_COLOR")
    handler.setFormatter(TerminalFormatter(color=color) if text else JsonFormatter())
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # They log every job, every request, and every attempt that is repeated.
    for name in ("apscheduler", "httpx", "httpcore", "uvicorn.error", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("stamina").setLevel(logging.ERROR)
