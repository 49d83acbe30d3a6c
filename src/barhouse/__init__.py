"""Barhouse: a self-hosted market-data warehouse."""

from __future__ import annotations

from typing import Any

__all__ = ["DatabaseService"]


def __getattr__(name: str) -> Any:
    """What is here by its short name; loaded when it is first asked for, so that `import barhouse` stays fast."""
    if name != "DatabaseService":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from barhouse.database import DatabaseService

    return DatabaseService
