"""Faults of the vendor side, by a script: what a vendor and the network between can do to an answer."""

from __future__ import annotations

from barhouse.api.faults.kinds import registry
from barhouse.api.faults.script import Script, script
from barhouse.api.faults.serving import Breakable, Faults, Faulty

__all__ = ["Breakable", "Faults", "Faulty", "Script", "registry", "script"]
