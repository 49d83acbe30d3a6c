"""Incidents are opened and ended, and people are told of both, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import polars as pl
import structlog
from psycopg import Connection

from barhouse import alerts
from barhouse.alerts import Channel, Decision, Message, NotDelivered
from barhouse.config.parts import AlertRules
from barhouse.model import Incident
from barhouse.store import incidents
from barhouse.store.incidents import Claimed
from barhouse.store.postgres import Database

log = structlog.get_logger()


def settle(
    connection: Connection, facts: pl.DataFrame, now: datetime, rules: AlertRules
) -> tuple[Decision, list[Incident]]:
    """Open and end incidents as `facts` (`alerts.FACTS`) have it: what was decided, and what is open from now on.

    One at a time: who comes second finds what the first one has opened.
    """
    incidents.take_turns(connection)
    known = incidents.known(connection)
    decision = alerts.decide(facts, known, rules)
    incidents.begin(connection, decision.new, now)
    incidents.change(connection, decision.changed)
    incidents.end(connection, decision.over, now)
    return decision, [*(each for each in known if each not in decision.over), *decision.new]


def at_once(connection: Connection, rule: str, cause: str, detail: str, rules: AlertRules) -> Decision:
    """Open the incident of one fact as soon as it is known, unless it is open; health runs end it."""
    facts = pl.DataFrame([(rule, cause, 1.0, 1, detail, [], None)], schema=alerts.FACTS, orient="row")
    incidents.take_turns(connection)
    known = [each for each in incidents.known(connection) if each.rule == rule]
    decision = alerts.decide(facts, known, rules)
    incidents.begin(connection, decision.new, datetime.now(UTC))
    return decision


def announce(decision: Decision) -> None:
    """Say in the log what has been opened and ended."""
    for each in decision.new:
        log.warning("alert_opened", rule=each.rule, cause=each.cause, severity=each.severity, message=each.message)
    for each in decision.over:
        log.info("alert_over", rule=each.rule, cause=each.cause)


def deliver(db: Database, channels: Sequence[Channel]) -> int:
    """Send what is due to be told; how many messages were delivered.

    A message is claimed for a minute, sent, and marked. A process that dies between sending and marking leaves it to be
    sent once more, under the same id: an alert told twice can be dropped by its receiver, one never told is lost.
    What is not taken is tried again later, until the incident is over.
    """
    by_name = {each.name: each for each in channels}
    if not by_name:
        return 0
    with db.connection() as connection:
        incidents.address(connection, list(by_name))
    sent = 0
    while claimed := incidents.claim(db, list(by_name)):
        sent += _sent(db, by_name[claimed.channel], claimed)
    return sent


def _sent(db: Database, channel: Channel, claimed: Claimed) -> bool:
    told = {"rule": claimed.rule, "cause": claimed.cause, "channel": claimed.channel, "about": claimed.event}
    try:
        channel.send(_message(claimed))
    except NotDelivered as error:
        incidents.failed(db, claimed, str(error))
        log.warning("alert_not_delivered", **told, attempt=claimed.attempts, error=str(error))
        return False
    incidents.delivered(db, claimed)
    log.info("alert_delivered", **told, attempt=claimed.attempts)
    return True


def _message(claimed: Claimed) -> Message:
    return Message(
        claimed.id,
        claimed.event,
        claimed.incident,
        claimed.rule,
        claimed.cause,
        claimed.severity,
        claimed.message,
        tuple(claimed.subjects),
        claimed.opened_at,
        claimed.over_at,
    )


def tried(channels: Sequence[Channel]) -> list[tuple[str, str | None]]:
    """Send a test message by each channel: its name, and why it did not take it, None where it did."""
    number, text = str(uuid4()), "This is a test; nothing is wrong."
    message = Message(number, "test", number, "test", "test", "warning", text, (), datetime.now(UTC))
    return [(channel.name, _refusal(channel, message)) for channel in channels]


def _refusal(channel: Channel, message: Message) -> str | None:
    try:
        channel.send(message)
    except NotDelivered as error:
        return str(error)
    return None
