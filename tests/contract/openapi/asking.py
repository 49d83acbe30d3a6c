"""How the OpenAPI is asked, and by whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import orjson
import psycopg
import schemathesis
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema

from barhouse.api.app import create
from barhouse.api.vendor_side import served
from barhouse.config import Settings
from barhouse.flow import keys
from barhouse.store.keys import Role, Tier
from barhouse.store.postgres import Database

FUZZ = os.environ.get("FUZZ")
EXAMPLES = int(FUZZ or "3")
"""Random questions to each operation, beside those that its schema suggests; `make fuzz` asks more, and others."""

ENDLESS = ("stream", "events_job_events", "events_backfill_events")
"""Answers that end when a job does, or never: tests/integration/test_stream.py and test_following.py read them."""

REFUSED = {
    "historical": ("422", "the order of start and end, a limit that hangs on the format, features of built bars"),
    "bars": ("422", "the same, and a cursor that belongs to its symbols"),
    "actions_listed": ("422", "as_of is not in the future"),
    "corrections_listed": ("422", "since is not in the future"),
    "jobs_backfill": ("422", "the order of start and end, which symbols a class can have"),
    "jobs_trigger": ("422", "which symbols a class can have"),
    "admin_symbols_create": ("422", "which exchanges there are, which symbols a class can have"),
    "admin_symbols_update": ("422", "which exchanges there are"),
    "keys_create": ("422", "expires_at is not in the past, a name is more than a number"),
    "quality_acknowledge": ("422", "who decides, where no key tells it"),
    "quarantine_release": ("422", "who decides, where no key tells it"),
    "quarantine_reject": ("422", "who decides, where no key tells it"),
    "polygon_bars": ("400", "the order of start and end"),
    "yahoo_bars": ("4xx", "the order of period1 and period2, spans too wide for an interval"),
    "binance_klines": ("400", "an unknown symbol is a bad parameter there"),
}
"""What no schema can tell: operations with the status by which they refuse it, and what it is."""

GOOD = ("2xx", "3xx", "401", "403", "404", "409", "429", "5xx")
"""How a question that the schema allows may be answered; any 5xx but 503 is a failure elsewhere."""


@cache
def drawn() -> bytes:
    """The OpenAPI itself."""
    return orjson.dumps(create(Settings()).openapi())


def told(examples: int, *, without: tuple[str, ...] = (), thorough: bool = False, **checks: bool) -> BaseSchema:
    """The OpenAPI, to be asked `examples` random questions an operation: the same ones each time but for `make fuzz`.

    `thorough` adds what its schemas suggest: each bound, each parameter left out, each method that there is not.
    `checks` turns single checks off.
    """
    config = {
        "generation": {
            "max-examples": examples,
            "deterministic": FUZZ is None,
            "database": "none",
            "with-security-parameters": False,
        },
        "phases": {"coverage": {"enabled": thorough}},
        "checks": {name: {"enabled": on} for name, on in checks.items()},
        "operations": [
            {
                "include-operation-id": name,
                "checks": {"positive_data_acceptance": {"expected-statuses": [*GOOD, status]}},
            }
            for name, (status, _) in REFUSED.items()
        ],
    }
    schema = schemathesis.openapi.from_dict(orjson.loads(drawn()), config=SchemathesisConfig.from_dict(config))
    return schema.exclude(operation_id=[*ENDLESS, *without])


def _also(status: str) -> dict[str, Any]:
    return {"expected-statuses": [*GOOD, status]}


@contextmanager
def opened(url: str, **more: Any) -> Iterator[str]:
    """The address of a Barhouse over a database."""
    with served(create(Settings(database_url=SecretStr(url), **more))) as address:
        yield address


def keyed(url: str) -> dict[str, str]:
    """A key of each role, after some others; their own numbers are far from any that somebody tries."""
    with Database(url) as db:
        for name in ("first", "second", "third"):
            keys.create_key(db, name, role=Role.READ, by="test")
        keys.revoke_key(db, "second", by="test")
        with psycopg.connect(url) as connection:
            connection.execute("SELECT setval(pg_get_serial_sequence('api_key', 'id'), 1234567890)")
        return {
            str(role): keys.create_key(db, f"its {role}", role=role, tier=Tier.UNLIMITED, by="test").text
            for role in Role
        }
