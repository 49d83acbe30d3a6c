"""The command `barhouse`: verbs for people, the same as the API's for programs."""

from __future__ import annotations

from barhouse.cli.heaps import few_heaps


def main() -> None:
    """Run one command and end the process: 0 done, 1 failed, 2 asked for what cannot be, 130 stopped by Ctrl-C."""
    few_heaps()
    from barhouse.cli.commands import app

    app()
