"""What can go wrong, sorted by who must act.

    BarhouseError
    ├── RequestError           the caller mends the request
    │   ├── InvalidTimeframe   400
    │   ├── InvalidAssetClass  400
    │   ├── UnknownSymbol      404
    │   ├── UnknownBar         404
    │   ├── UnknownCalendar    422
    │   ├── AmbiguousSymbol    409
    │   ├── InvalidParameter   422
    │   ├── UnknownRecord      404
    │   ├── Conflict           409
    │   ├── KeyNeeded          401
    │   ├── RoleNeeded         403
    │   ├── TooLarge           413
    │   ├── TooManyCalls       429
    │   ├── UnreadableFile     422
    │   └── UnusableBackup     422
    ├── SourceError            a vendor: the flow tries again, or asks the next one
    │   ├── SourceUnavailable  time-outs, resets, 5xx
    │   ├── UnreadableAnswer   an answer that nobody can read; never an empty one
    │   ├── RateLimited        429, 418; knows when to come back
    │   ├── CircuitOpen        it failed too often a moment ago: nobody asks it for now
    │   ├── Unauthorized       401: the key is missing or wrong
    │   ├── NotEntitled        403: the plan does not cover it
    │   ├── UnknownAtSource    404: the vendor does not know the symbol
    │   ├── RequestRefused     other 4xx
    │   └── CannotServe        the source has no such bars at all, by its nature
    ├── StoreError             503: the operator mends the database
    │   ├── DatabaseUnavailable
    │   ├── ServerUnavailable
    │   ├── EmbeddedServerError
    │   ├── MigrationError
    │   └── BackupFailed
    ├── LeaseLost              another worker goes on: this one has to stop
    └── SettingsError          the operator mends the configuration

Each says what was wanted, what was there and what to do next; none carries a key, a path of SQL or a statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID


class BarhouseError(Exception):
    """Whatever Barhouse itself has to say; `status` is the HTTP status that tells it."""

    status = 500


class RequestError(BarhouseError):
    """The caller asked for something that cannot be."""

    status = 422


class InvalidTimeframe(RequestError):
    """A timeframe that Barhouse does not keep."""

    status = 400

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(f"Invalid timeframes: {list(names)!r}")


class InvalidAssetClass(RequestError):
    """An asset class that Barhouse does not know."""

    status = 400

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"Invalid asset class: {name!r}; use one of {', '.join(known)}")


class UnknownSymbol(RequestError):
    """Nobody tracks this symbol."""

    status = 404

    def __init__(self, *symbols: str) -> None:
        told = [each if len(each) <= 40 else f"{each[:40]}…" for each in symbols[:20]]
        more = f" and {len(symbols) - len(told)} more" if len(symbols) > len(told) else ""
        names, all_of_them = ", ".join(map(repr, told)) + more, " ".join(told) + more
        who, starts = (f"Symbol {names} is", "it") if len(symbols) == 1 else (f"Symbols {names} are", "them")
        super().__init__(f"{who} not tracked; `barhouse track {all_of_them}` starts {starts}")


class UnknownBar(RequestError):
    """No bar of the series starts at this time."""

    status = 404

    def __init__(self, series: str, time: str) -> None:
        super().__init__(f"No bar of {series} starts at {time}; look at those around it, `barhouse bars` shows them")


class UnknownCalendar(RequestError):
    """An exchange that no calendar is known of."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No calendar of an exchange {name!r}; use XNYS, 24/7 or another name of exchange-calendars")


class AmbiguousSymbol(RequestError):
    """One symbol, several instruments: the caller has to say which asset class is meant."""

    status = 409

    def __init__(self, symbol: str, classes: Iterable[str]) -> None:
        super().__init__(f"Symbol {symbol!r} is tracked as {' and '.join(classes)}; name its asset_class")


class InvalidParameter(RequestError):
    """A parameter out of its range, or of the wrong form."""


class UnknownRecord(RequestError):
    """A number under which nothing is kept."""

    status = 404


class Conflict(RequestError):
    """What was asked for cannot be done any more to what is there now; nothing was changed."""

    status = 409


class KeyNeeded(RequestError):
    """The call bears no key, or none that is good: which of these is not told."""

    status = 401

    def __init__(self) -> None:
        super().__init__("This takes a key that is good: send it as X-API-Key, or as Authorization: Bearer")


class RoleNeeded(RequestError):
    """The key is good, for less than this."""

    status = 403

    def __init__(self, needed: str, given: str) -> None:
        super().__init__(f"This takes a key with the role {needed}; this one has {given}")


class TooLarge(RequestError):
    """A body that nobody needs to be so large."""

    status = 413

    def __init__(self, most: int) -> None:
        super().__init__(f"A body has at most {most} bytes here")


class TooSlow(RequestError):
    """A body that did not come to its end in time."""

    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body of this call did not come within {seconds:g} s")


class TooManyCalls(RequestError):
    """More calls within a minute than the key allows; `retry_after` in seconds."""

    status = 429

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(f"{most} calls a minute are allowed here; come back in {retry_after} s")
        self.retry_after = retry_after


class UnreadableFile(RequestError):
    """A file to import that is no table of bars."""


class UnusableBackup(RequestError):
    """A backup that is none, or is damaged; nothing was changed."""


class SourceError(BarhouseError):
    """A vendor did not give the bars. `transient` says whether asking again can help.

    `retry_after` is in seconds, where the vendor said when to come back.
    """

    status = 502
    transient = False
    retry_after: float | None = None

    def __init__(self, source: str, message: str) -> None:
        super().__init__(f"{source}: {message}")
        self.source = source


class SourceUnavailable(SourceError):
    """A time-out, a reset or a server error at the vendor's side."""

    transient = True


class UnreadableAnswer(SourceError):
    """An answer that is not what the vendor's protocol promises: nothing is known about its span."""

    transient = True


class RateLimited(SourceError):
    """Too many calls for this vendor: it wants us to wait."""

    transient = True

    def __init__(self, source: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(source, message)
        self.retry_after = retry_after


class CircuitOpen(SourceError):
    """The vendor failed too often a moment ago: the call was not made, the next source is asked."""

    def __init__(self, name: str) -> None:
        BarhouseError.__init__(self, f"Circuit breaker {name!r} is OPEN")
        self.source = name


class Unauthorized(SourceError):
    """The vendor's key is missing or wrong: the source is closed until it is mended."""


class NotEntitled(SourceError):
    """The plan behind the key does not cover what was asked."""


class UnknownAtSource(SourceError):
    """The vendor does not know the symbol."""


class RequestRefused(SourceError):
    """The vendor refuses the request as it stands."""


class CannotServe(SourceError):
    """The source has no such bars by its nature: wrong asset class, or beyond its reach."""


class StoreError(BarhouseError):
    """The warehouse itself is away."""

    status = 503


class DatabaseUnavailable(StoreError):
    """PostgreSQL gives no connection, or cannot do its part; the message says the mend."""


class ServerUnavailable(StoreError):
    """No Barhouse answers at the address that a client was given."""


class EmbeddedServerError(StoreError):
    """The embedded PostgreSQL cannot run; the message says the mend."""


class MigrationError(StoreError):
    """The schema cannot be brought up to date; nothing half done."""


class BackupFailed(StoreError):
    """A backup could not be made or restored; what was there before is there still."""


class LeaseLost(BarhouseError):
    """Another worker has taken executions over, since this one gave no sign of life: nothing was kept."""

    def __init__(self, executions: Iterable[UUID]) -> None:
        self.executions = frozenset(executions)
        super().__init__(f"{len(self.executions)} executions are another worker's by now; nothing was kept here")


class SettingsError(BarhouseError):
    """The configuration contradicts itself."""
