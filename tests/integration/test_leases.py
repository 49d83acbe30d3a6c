"""A process that was frozen for longer than its leases wakes up: it asks no vendor for what others have by now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import httpx

from barhouse.api import vendor_side
from barhouse.api.sample import sample
from barhouse.flow.backfill import backfill
from barhouse.flow.leases import holds
from barhouse.flow.plan import Wanted, plan
from barhouse.flow.track import track
from barhouse.flow.under_way import Run
from barhouse.model import Instrument, Series, Span, Timeframe
from barhouse.sources.polygon import Polygon
from barhouse.store import executions
from barhouse.store.executions import LEASE, Claim
from barhouse.store.postgres import Database

NOW = datetime(2013, 3, 2, 12, tzinfo=UTC)
YEAR = Span(datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC))


def claimed(db: Database, series: Series) -> Claim:
    """The right to write for the series, which whoever had it before has lost."""
    execution = UUID(executions.create_backfill_state(db, series.instrument.symbol))
    with db.transaction() as connection:
        connection.execute("UPDATE backfill_state_persistent SET lease_expires_at = now() - interval '1 s'")
        return executions.claim(connection, [execution])[execution]


def test_who_wakes_up_asks_for_nothing_that_others_have_taken_over(db: Database) -> None:
    [series] = track(db, [Instrument("AAPL")], [Timeframe.D1], YEAR.start)
    run = Run(db, uuid4(), {}, NOW, NOW, claims={series: claimed(db, series)})
    first = asyncio.run(holds(run, series))
    claimed(db, series)

    run.signed -= 2 * LEASE.total_seconds()
    with vendor_side.served(vendor_side.create(sample())) as vendors:
        sources = {"polygon": Polygon(vendors, "k")}
        pieces = plan(db, sources, [Wanted(series, YEAR)], NOW)
        told = asyncio.run(backfill(db, pieces, claims=dict(run.claims), holds=partial(holds, run), now=NOW))
        calls = httpx.get(f"{vendors}/vendor-side/calls").json()

    assert first
    assert [(outcome.lost, outcome.inserted) for outcome in told] == [(True, 0)]
    assert calls["polygon"] == 0


def test_who_has_not_stood_still_need_not_ask(db: Database) -> None:
    [series] = track(db, [Instrument("AAPL")], [Timeframe.D1], YEAR.start)
    run = Run(db, uuid4(), {}, NOW, NOW, claims={series: claimed(db, series)})
    signed = run.signed

    assert asyncio.run(holds(run, series))
    assert run.signed == signed
