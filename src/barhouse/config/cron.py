"""Schedules as cron tells them: five fields, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of a week by cron's numbers; APScheduler's own begin on Monday."""


def schedule(text: str) -> CronTrigger:
    """What fires by `text`: minute, hour, day, month, day of the week (0 and 7 are Sunday).

    ValueError for a text that is no schedule, that never fires, or that names both a day and a day of the week: cron
    takes either for enough, and few who write it mean that.
    """
    from apscheduler.triggers.cron import CronTrigger  # its import takes as long as a short command

    match text.split():
        case [minute, hour, day, month, weekday]:
            if day != "*" and weekday != "*":
                raise ValueError(f"{text!r} names a day of the month and one of the week; leave one of them *")
            days = ",".join(map(_weekdays, weekday.lower().split(",")))
            fires = CronTrigger(None, month, day, None, days, hour, minute, timezone=UTC)
        case fields:
            raise ValueError(f"{text!r} has {len(fields)} fields, a schedule five: minute hour day month weekday")
    if fires.get_next_fire_time(None, datetime.now(UTC)) is None:
        raise ValueError(f"{text!r} never fires")
    return fires


def _weekdays(part: str) -> str:
    """Days of the week by name, where they were given by number."""
    if not (numbers := re.fullmatch(r"([0-7])(?:-([0-7]))?(?:/(\d+))?", re.sub(r"^\*/", "0-6/", part))):
        return part
    first, last, step = int(numbers[1]), int(numbers[2] or numbers[1]), int(numbers[3] or 1)
    if first > last or not step:
        raise ValueError(f"{part!r} are no days of the week")
    return ",".join(DAYS[first : last + 1 : step])


def _fires(text: str) -> str:
    schedule(text)
    return text


Cron = Annotated[str, AfterValidator(_fires)]
"""The text of a schedule that fires."""
