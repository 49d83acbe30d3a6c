"""The features of bars: one function a feature, enrolled in the order of their columns."""

from __future__ import annotations

from importlib import import_module

from barhouse.features.compute import compute
from barhouse.features.registry import registry

SUBJECTS = ("returns", "volatility", "structure", "volume", "regimes", "trend", "crypto")
"""The modules whose features are enrolled, in the order of the columns."""

WARMUP = 1000
"""So many earlier bars make the features of the bars after them what the whole history makes them."""

for _subject in SUBJECTS:
    import_module(f"barhouse.features.{_subject}")

__all__ = ["SUBJECTS", "WARMUP", "compute", "registry"]
