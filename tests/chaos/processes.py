"""Processes that are killed, frozen and started again, each in a group of its own and ended by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.integration.embedded_servers import REPOSITORY

BARHOUSE = Path(sys.executable).with_name("barhouse")
ENDING = 45.0
"""Seconds that a process gets to end in order."""


class Program:
    """A command that is started as often as it takes; what it says goes to a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command = command
        self._environment = dict(environment)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.wanted = False
        """Whether somebody who looks after it would start it again when it ends."""

    @property
    def pid(self) -> int:
        """The id of the latest process."""
        assert self._process
        return self._process.pid

    @property
    def owner(self) -> str:
        """How the latest process is named as the worker of an execution."""
        return f"{socket.gethostname()}:{self.pid}"

    @property
    def ended(self) -> int | None:
        """How the latest process ended, None while it lives."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it anew, unless it lives."""
        if self._process and self._process.poll() is None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,  # who reads it ends with us
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started_at, self.wanted = time.time(), True

    def kill(self) -> None:
        """End it as the out-of-memory killer would, with all that it started in its group."""
        self.wanted = False
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait(ENDING)

    def freeze(self) -> None:
        """Let it stand still."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> int | None:
        """End it in order; what it says about that, None if it had to be killed."""
        self.wanted = False
        if self._process is None or self._process.poll() is not None:
            return self.ended
        self.thaw()
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def said(self) -> str:
        """The end of what it has said."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
