"""The chapters of the API."""

from __future__ import annotations

from typing import Any

_MEANINGS = {
    "data": "Bars as they are stored, adjusted, built from shorter ones, or as they were known; splits and dividends.",
    "features": "What is computed from bars.",
    "symbols": "What the warehouse keeps.",
    "status": "The warehouse at a glance.",
    "jobs": "Backfills and enrichments that somebody asked for, from the asking to the end.",
    "enrichment": "How fetching, computing and the data fare, and holding up what is scheduled.",
    "quality": "What is wrong with bars, with its evidence, and what was decided over it.",
    "management": "Which symbols and timeframes are kept up to date.",
    "schedulers": "The runs of the schedulers, and the freshness of features.",
    "admin": "The health of the warehouse, its alerts, and what stands between us and vendors that fail.",
    "keys": "Who may call, and what was done with keys.",
    "compat": "The warehouse in the shapes of its vendors, for their own clients. Errors are in those shapes too.",
    "health": "For what watches over processes; these take no key.",
}

TAGS: list[dict[str, Any]] = [{"name": name, "description": meaning} for name, meaning in _MEANINGS.items()]
"""As OpenAPI lists them."""
