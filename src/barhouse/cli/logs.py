"""Where a command's log goes."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


class _Lines:
    """Writes to what standard error is at that moment: a live display puts itself in its place."""

    def msg(self, text: str) -> None:
        """One event."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def on_standard_error(level: int = logging.WARNING) -> None:
    """Log to standard error from `level` on, so that standard output holds only what was asked for."""

    def lines(*_: Any) -> _Lines:
        return _Lines()

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lines,
        cache_logger_on_first_use=False,
    )
