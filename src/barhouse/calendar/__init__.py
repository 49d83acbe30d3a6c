"""Which bars ought to exist, and where a vendor's stamp lands."""

from barhouse.calendar.exchanges import refreshed
from barhouse.calendar.sessions import Calendar

__all__ = ["Calendar", "refreshed"]
