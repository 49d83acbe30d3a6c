"""Settings: the only reader of the environment."""

from __future__ import annotations

from barhouse.config.cron import schedule
from barhouse.config.fields import Settings
from barhouse.config.loading import choose, settings

__all__ = ["Settings", "choose", "schedule", "settings"]
