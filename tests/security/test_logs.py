"""What others write does not become a line of the log, nor move the cursor of who reads it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from barhouse.cli.logs import on_standard_error, told_as_ours

FORGED = "\x1b[2K\r2026-11-23T00:00:00Z [info     ] all_is_well\u202e\x9b"


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Other tests log as they do."""
    on_standard_error()
    yield
    structlog.reset_defaults()


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    """What came to standard error; it has no character that does anything but be read."""
    text = capsys.readouterr().err
    assert [each for each in text if not each.isprintable() and each != "\n"] == []
    return text


def test_control_characters_are_written_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().warning("asked", symbol=FORGED, several=[FORGED])

    assert "\\x1b[2K\\r2026" in logged(capsys)


def test_no_message_of_an_error_is_taken_for_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().error("failed", exc_info=ValueError(f"no\n{FORGED[5:]}"))

    [event, *trace] = logged(capsys).splitlines()
    assert "failed" in event
    assert all(line.startswith("  ") for line in trace)
    assert any("all_is_well" in line for line in trace)


def test_the_server_logs_as_everything_else_does(capsys: pytest.CaptureFixture[str]) -> None:
    told_as_ours("a_library")

    logging.getLogger("a_library").warning("met %s", FORGED)

    assert "[warning  ] a_library said=" in logged(capsys)
