"""Where a command's log goes."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog


class _Lines:
    """Writes to what standard error is at that moment: a live display puts itself in its place."""

    def msg(self, text: str) -> None:
        """One event."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def _told(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """An event in whose texts nothing is left by which others could move the cursor, or begin a line of their own."""
    return {name: printable(each) if isinstance(each, str) else each for name, each in event.items()}


def printable(text: str) -> str:
    """A text with its control characters, and what turns the direction of writing, as they are written in Python."""
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _traceback(lines: TextIO, raised: Any) -> None:
    """A traceback whose lines stand in, so that no message of an error is taken for an event."""
    whole = io.StringIO()
    structlog.dev.plain_traceback(whole, raised)
    lines.write("\n".join(f"  {printable(line)}" for line in whole.getvalue().splitlines()))


class _Passing(logging.Handler):
    """Tells what a library logs as an event of our own."""

    def emit(self, record: logging.LogRecord) -> None:
        """One event."""
        structlog.get_logger().log(record.levelno, record.name, said=record.getMessage(), exc_info=record.exc_info)


def told_as_ours(library: str) -> None:
    """Let a library's log go where ours goes, in the same form."""
    logger = logging.getLogger(library)
    logger.handlers, logger.propagate = [_Passing()], False


def on_standard_error(level: int = logging.WARNING) -> None:
    """Log to standard error from `level` on, so that standard output holds only what was asked for."""

    def lines(*_: Any) -> _Lines:
        return _Lines()

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            _told,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lines,
        cache_logger_on_first_use=False,
    )
