"""Settings: the only reader of the environment."""

from __future__ import annotations

from barhouse.config.cron import schedule
from barhouse.config.fields import Settings, settings

__all__ = ["Settings", "schedule", "settings"]
