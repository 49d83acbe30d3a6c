"""`barhouse health`: how the warehouse is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from barhouse.alerts import channels
from barhouse.cli.options import DataDir, configured
from barhouse.cli.tables import listing
from barhouse.flow.alerting import deliver
from barhouse.flow.health import health_history, health_run, room
from barhouse.flow.warehouse import opened

COLOURS = {"healthy": "green", "warning": "yellow", "critical": "bold red"}


def health(
    *, run: Annotated[bool, typer.Option("--run", help="Look now, and tell people.")] = False, data_dir: DataDir = None
) -> None:
    """Show how the warehouse is: what is late, what fails, what is wrong, what runs out.

    Example: [bold]barhouse health --run[/]
    """
    console, settings = Console(), configured(data_dir)
    told = channels(settings.alert_urls, settings.alert_secret, private_networks=settings.alert_private_networks)
    with opened(settings) as db:
        if run:
            health_run(db, data_dir=room(settings), rules=settings.alert_rules)
            deliver(db, told)
        latest = health_history(db, 1)
    if latest:
        _say(console, latest[0])
    else:
        console.print("Nobody has looked yet: [bold]barhouse health --run[/]")


def _say(console: Console, run: Mapping[str, Any]) -> None:
    status = Text(run["status"], COLOURS[run["status"]])
    console.print(Text.assemble(status, (f"   at {run['timestamp']:%Y-%m-%d %H:%M:%S}Z", "dim")))
    details = run["details"]
    table = listing("what", ">count", "")
    for what, count, named in (
        ("stale symbols", run["stale_symbols"], _names(details["stale"])),
        ("failing symbols", run["failed_symbols"], _names(details["failing"])),
        ("open anomalies", run["anomalies_detected"], _kinds(details["anomalies"])),
        ("waiting backfills", details["queue"]["waiting"], _since(details["queue"]["oldest_seconds"])),
        ("new alerts", run["alerts_triggered"], ", ".join(_incident(each) for each in details["incidents"])),
    ):
        table.add_row(what, Text(f"{count:,}", "yellow" if count else "dim"), named)
    console.print(table)
    for quota in details["quotas"]:
        limit = f" of {quota['limit']}" if quota["limit"] else ""
        console.print(f"{quota['source']}: {quota['used']}{limit} of its quota is used", style="dim", highlight=False)
    if details["disk_free_bytes"] is not None:
        console.print(f"{details['disk_free_bytes'] / 1e9:,.1f} GB are free", style="dim", highlight=False)


def _names(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(row["symbol"] for row in rows))
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _kinds(rows: list[dict[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["anomaly_type"]] = counts.get(row["anomaly_type"], 0) + row["count"]
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())


def _since(seconds: float | None) -> str:
    return "" if seconds is None else f"the oldest for {seconds / 60:,.0f} min"


def _incident(row: Mapping[str, Any]) -> str:
    return row["rule"] if row["cause"] == "all" else f"{row['rule']} {row['cause']}"
