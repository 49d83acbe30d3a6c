"""What operators see of health and alerts: the real app over a real PostgreSQL."""

from __future__ import annotations

from barhouse.alerts import channels
from barhouse.flow.alerting import deliver
from barhouse.flow.health import health_run
from barhouse.store.postgres import Database
from tests.contract.test_api import client
from tests.integration.test_alerts import fail, hooks
from tests.receiver import receiver


def test_the_latest_health_run_is_served_with_those_before(db: Database) -> None:
    with client(db.url) as api:
        before = api.get("/api/v1/admin/health").json()
        fail(db, ["AAPL"])
        health_run(db)
        health_run(db)
        told = api.get("/api/v1/admin/health", params={"limit": 1}).json()
        every = api.get("/api/v1/admin/health").json()
        assert api.get("/api/v1/admin/health", params={"limit": 101}).status_code == 422

    assert (before["latest"], before["history"]) == (None, [])
    assert told["latest"]["status"] == "warning"
    assert told["latest"]["timestamp"].endswith("Z")
    assert told["latest"]["failed_symbols"] == 1
    assert told["latest"]["details"]["failing"][0]["symbol"] == "AAPL"
    assert [each["alerts_triggered"] for each in every["history"]] == [0, 1]
    assert len(told["history"]) == 1


def test_alerts_are_served_with_who_was_told(db: Database) -> None:
    fail(db, ["AAPL"])
    health_run(db)
    with client(db.url) as api, receiver() as there:
        waiting = api.get("/api/v1/admin/alerts", params={"status": "open"}).json()
        deliver(db, hooks(there.url))
        told = api.get("/api/v1/admin/alerts").json()
        assert api.get("/api/v1/admin/alerts", params={"status": "lost"}).status_code == 422

    assert (waiting["count"], waiting["alerts"][0]["deliveries"]) == (1, [])
    [alert] = told["alerts"]
    assert (alert["status"], alert["subjects"]) == ("delivered", ["AAPL stock"])
    assert [(each["status"], each["attempts"]) for each in alert["deliveries"]] == [("delivered", 1)]


def test_nobody_is_told_where_nobody_is_named() -> None:
    assert channels(None, None) == []
