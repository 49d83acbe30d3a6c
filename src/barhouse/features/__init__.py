"""The features of bars: one function a feature, enrolled in the order of their columns."""

from __future__ import annotations

from importlib import import_module

from barhouse.features.compute import WARMUP, compute, warmup
from barhouse.features.ground import LONGEST_QUIET
from barhouse.features.registry import registry

SUBJECTS = ("returns", "volatility", "structure", "volume", "regimes", "trend", "crypto")
"""The modules whose features are enrolled, in the order of the columns."""

for _subject in SUBJECTS:
    import_module(f"barhouse.features.{_subject}")

__all__ = ["LONGEST_QUIET", "SUBJECTS", "WARMUP", "compute", "registry", "warmup"]
