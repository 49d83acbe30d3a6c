"""What is told of an incident, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from barhouse.model import instant

NAMED = 20
"""So many subjects stand in the words for people; programs get all."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `id` is the same however often it is sent, so that a receiver can drop a repeat."""

    id: str
    event: str
    """opened, over, or test."""
    incident: str
    rule: str
    cause: str
    severity: str
    text: str
    subjects: tuple[str, ...]
    opened_at: datetime
    over_at: datetime | None = None

    @property
    def title(self) -> str:
        """One line for people."""
        return f"Barhouse: {'over: ' if self.event == 'over' else ''}{self.rule.replace('_', ' ')} ({self.severity})"

    @property
    def body(self) -> str:
        """The words for people."""
        more = f" and {len(self.subjects) - NAMED} more" if len(self.subjects) > NAMED else ""
        suffer = f"\nAffected: {', '.join(self.subjects[:NAMED])}{more}" if self.subjects else ""
        over = f"\nOver since {instant(self.over_at)}" if self.over_at else ""
        return f"{self.text}{suffer}\nSince {instant(self.opened_at)}{over}"

    def payload(self) -> bytes:
        """The same for programs, as JSON."""
        return orjson.dumps(
            {
                "id": self.id,
                "event": self.event,
                "incident": self.incident,
                "rule": self.rule,
                "cause": self.cause,
                "severity": self.severity,
                "message": self.text,
                "subjects": self.subjects,
                "opened_at": instant(self.opened_at),
                "over_at": instant(self.over_at) if self.over_at else None,
            }
        )
