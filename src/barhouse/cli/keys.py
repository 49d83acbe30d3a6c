"""`barhouse keys`: who may call the API; straight on the database, so that nobody locks himself out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from barhouse.cli.commands import PLAIN
from barhouse.cli.options import DataDir, configured, me
from barhouse.cli.tables import listing
from barhouse.errors import InvalidParameter
from barhouse.flow import keys as flow
from barhouse.flow.keys import Made
from barhouse.flow.warehouse import opened
from barhouse.model import instant, moment
from barhouse.store.keys import Key, Role, Tier

Named = Annotated[str, typer.Argument(metavar="KEY", help="Its name or number, as `barhouse keys list` shows them.")]

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

keys = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Say who may call the API, and what was done with their keys.\n\n"
    "Example: [bold]barhouse keys create notebook --role read[/]",
    **PLAIN,
)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; no other key may be called so.")],
    *,
    role: Annotated[
        Role, typer.Option(help="read; operate: also fetch, pause, clean up; admin: also symbols, backfills and keys.")
    ] = Role.READ,
    tier: Annotated[Tier, typer.Option(help="How often it may call: limits.free, limits.standard, or unlimited.")] = (
        Tier.STANDARD
    ),
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90d, 12h, or a day or instant, UTC; left out: never.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and show it, once. From the first one on nobody calls the API without a key.

    Example: [bold]barhouse keys create notebook --role read --tier standard --expires 90d[/]
    """
    with opened(configured(data_dir)) as db:
        _show(flow.create_key(db, name, role=role, tier=tier, expires_at=_end(expires), by=me()))


@keys.command("list")
def list_(*, data_dir: DataDir = None) -> None:
    """Show all keys: what each may do, how often, until when, and when it was used last.

    Example: [bold]barhouse keys list[/]
    """
    with opened(configured(data_dir)) as db:
        known = flow.listed_keys(db)
    if not known:
        Console().print("There is no key yet: whoever reaches the API on this machine may do everything.")
        return
    table = listing(">id", "name", "key", "role", "tier", "state", "last used", "made")
    for key in known:
        begins, used = f"{key.prefix}_…", _moment(key.last_used_at) or "never"
        table.add_row(str(key.id), key.name, begins, key.role, key.tier, _state(key), used, _moment(key.created_at))
    Console().print(table)


@keys.command()
def rotate(
    named: Named,
    *,
    grace: Annotated[
        str, typer.Option(help="How long the old one is good beside the new one: 24h, 7d; 30 days at most.")
    ] = "0h",
    data_dir: DataDir = None,
) -> None:
    """Make a new key in the place of an old one, which ends at once unless it is given some grace.

    Example: [bold]barhouse keys rotate notebook --grace 24h[/]
    """
    with opened(configured(data_dir)) as db:
        _show(flow.rotate_key(db, named, grace=_length("grace", grace), by=me()))


@keys.command()
def revoke(named: Named, *, data_dir: DataDir = None) -> None:
    """Let a key open nothing any more, in every process within 5 seconds.

    Example: [bold]barhouse keys revoke notebook[/]
    """
    with opened(configured(data_dir)) as db:
        key = flow.revoke_key(db, named, by=me())
    Console().print(f"{key.name} is revoked; [bold]barhouse keys restore {key.id}[/] takes that back")


@keys.command()
def restore(named: Named, *, data_dir: DataDir = None) -> None:
    """Let a revoked key open again what it did.

    Example: [bold]barhouse keys restore notebook[/]
    """
    with opened(configured(data_dir)) as db:
        key = flow.restore_key(db, named, by=me())
    Console().print(f"{key.name} is good again: {key.role}, {key.tier}")


@keys.command()
def delete(named: Named, *, data_dir: DataDir = None) -> None:
    """Forget a key for good; what was done with it stays on record.

    Example: [bold]barhouse keys delete notebook[/]
    """
    with opened(configured(data_dir)) as db:
        key = flow.delete_key(db, named, by=me())
        last = not flow.any_key(db)
    Console().print(f"{key.name} is deleted")
    if last:
        Console().print("[yellow]It was the last key[/]: on this machine's own address the API is open again.")


@keys.command()
def audit(
    named: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Only of this one, by name or number.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many of the latest.")] = 50,
    data_dir: DataDir = None,
) -> None:
    """Show what was done with keys, by whom and when, the latest first.

    Example: [bold]barhouse keys audit notebook[/]
    """
    with opened(configured(data_dir)) as db:
        done = flow.key_audit(db, named, limit)
    table = listing("when", ">id", "key", "what", "by", "in short")
    for row in done:
        told = (row["name"], row["action"], row["actor"], row["details"] or "")
        table.add_row(_moment(row["at"]), str(row["key_id"]), *told)
    Console().print(table)


def _show(made: Made) -> None:
    """The key itself on standard output, alone on its line, so that a script can take it."""
    errors = Console(stderr=True)
    errors.print(f"{made.key.name}: {made.key.role}, {made.key.tier}, {_state(made.key)}. It is shown only now:")
    typer.echo(made.text)


def _state(key: Key) -> str:
    if key.revoked_at:
        return f"revoked {_moment(key.revoked_at)}"
    if key.expires_at is None:
        return "good"
    over = key.expires_at <= datetime.now(UTC)
    return f"{'expired' if over else 'good until'} {_moment(key.expires_at)}"


def _moment(at: datetime | None) -> str:
    return "" if at is None else instant(at.astimezone(UTC))[:16]


def _end(text: str | None) -> datetime | None:
    if text is None:
        return None
    return datetime.now(UTC) + _length("expires", text) if _is_length(text) else moment(text)


def _is_length(text: str) -> bool:
    return re.fullmatch(r"\d{1,5}[mhd]", text) is not None


def _length(name: str, text: str) -> timedelta:
    """So many minutes, hours or days."""
    if not _is_length(text):
        raise InvalidParameter(f"{name}: {text!r} is no length; write 30m, 12h or 90d")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
