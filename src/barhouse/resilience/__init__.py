"""What stands between us and a vendor that fails: breakers, limiters, retries, bulkheads, and the pace of calls."""

from barhouse.resilience.manager import get_resilience_manager

__all__ = ["get_resilience_manager"]
