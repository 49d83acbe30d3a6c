"""Jobs followed as server-sent events, over real sockets: a real app, a real PostgreSQL, and jobs moved on by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from barhouse import DatabaseService
from barhouse.api import following
from barhouse.api.vendor_side import served
from tests.contract.test_api import app
from tests.contract.test_enrichment import changed, requested
from tests.workers import until


@dataclass(frozen=True)
class Read:
    """An event as a client reads it."""

    name: str
    id: str
    data: dict[str, Any]


@pytest.fixture
def serving(database_url: str) -> FastAPI:
    return app(database_url)


@pytest.fixture
def url(serving: FastAPI) -> Iterator[str]:
    with served(serving) as url:
        yield url


@contextmanager
def listening(url: str, job: str, path: str = "enrichment/jobs", seen: str | None = None) -> Iterator[httpx.Response]:
    headers = {"Last-Event-ID": seen} if seen else {}
    place = f"{url}/api/v1/{path}/{job}/events"
    with httpx.stream("GET", place, headers=headers, timeout=120) as response:
        yield response


def events(response: httpx.Response) -> Iterator[Read]:
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield Read(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}


RUNS = """
UPDATE backfill_state_persistent
SET status = 'in_progress', started_at = now(), bars_expected = 10, bars_done = {}
"""
ENDS = "UPDATE backfill_state_persistent SET status = 'completed', completed_at = now()"


def test_a_job_is_told_whenever_it_changes_until_it_is_through(service: DatabaseService, url: str) -> None:
    job = requested(service, "AAPL")

    with listening(url, job) as response:
        told = events(response)
        waiting = next(told)
        changed(service, RUNS.format(4))
        running = next(told)
        changed(service, ENDS)
        [end] = told

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert [each.name for each in (waiting, running, end)] == ["progress", "progress", "end"]
    assert (waiting.data["job_id"], waiting.data["status"], waiting.data["progress"]) == (job, "queued", 0)
    assert (running.data["status"], running.data["progress"]) == ("in_progress", 40)
    assert running.data["eta_seconds"] > 0
    assert (end.data["status"], end.data["progress"], end.data["eta_seconds"]) == ("completed", 100, None)
    assert end.data["completed_at"].endswith("Z")
    assert len({waiting.id, running.id, end.id}) == 3


def test_who_comes_back_is_told_only_what_is_new(service: DatabaseService, url: str) -> None:
    job = requested(service, "AAPL")
    changed(service, RUNS.format(4))
    with listening(url, job) as response:
        [first] = islice(events(response), 1)

    with listening(url, job, seen=first.id) as response:
        changed(service, RUNS.format(6))
        second = next(events(response))
    changed(service, ENDS)
    with listening(url, job, "backfill/status", seen=second.id) as response:
        [end] = events(response)
    with listening(url, job, seen=end.id) as response:
        over = response.status_code

    assert (first.data["progress"], second.data["progress"], end.name) == (40, 60, "end")
    # What tells an EventSource to come back no more
    assert over == 204


def test_many_listeners_cost_one_question_a_look(service: DatabaseService, serving: FastAPI, url: str) -> None:
    jobs = [requested(service, symbol) for symbol in ("AAPL", "IBM")]
    with ExitStack() as stack:
        told = [events(stack.enter_context(listening(url, job))) for job in jobs * 10]
        assert {next(each).data["status"] for each in told} == {"queued"}
        listeners, before = serving.state.warehouse.following.listeners, questions(serving)
        begun = time.monotonic()
        until(lambda: questions(serving) >= before + 8)
        put, looks = questions(serving) - before, (time.monotonic() - begun) / following.LOOK
        changed(service, ENDS)
        ends = [next(each) for each in told]

    assert listeners == 20
    assert put <= looks + 3
    assert {each.name for each in ends} == {"end"}
    # The same job is the same event for everybody
    assert len({each.id for each in ends}) == 2


def questions(serving: FastAPI) -> int:
    """How often the app has asked its database."""
    return int(serving.state.warehouse.db.pool.get_stats()["requests_num"])


def test_a_client_that_goes_away_frees_everything(service: DatabaseService, serving: FastAPI, url: str) -> None:
    job = requested(service, "AAPL")
    with listening(url, job) as response:
        told = events(response)
        next(told)
        assert serving.state.warehouse.following.listeners == 1

    until(lambda: serving.state.warehouse.following.listeners == 0)
    assert not serving.state.warehouse.following.is_looking


def test_silence_is_broken_by_comments(service: DatabaseService, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "HEARTBEAT", 0.1)
    job = requested(service, "AAPL")

    with listening(url, job) as response:
        lines = list(islice((line for line in response.iter_lines() if line.startswith(":")), 2))

    assert lines == [": alive", ": alive"]


def test_streams_end_when_the_server_is_told_to(service: DatabaseService, serving: FastAPI, url: str) -> None:
    job = requested(service, "AAPL")

    with listening(url, job) as response:
        told = events(response)
        next(told)
        serving.state.is_leaving = lambda: True
        assert list(told) == []


def test_a_job_that_was_forgotten_is_told_no_more(service: DatabaseService, url: str) -> None:
    job = requested(service, "AAPL")

    with listening(url, job) as response:
        told = events(response)
        next(told)
        changed(service, "DELETE FROM job")
        assert list(told) == []
