"""Whether a bar can be believed: hard checks, flags, and the score they make."""

from barhouse.checks.registry import Check, Kind, Severity, check, registry
from barhouse.checks.sieve import Sifted, sift

__all__ = ["Check", "Kind", "Severity", "Sifted", "check", "registry", "sift"]
