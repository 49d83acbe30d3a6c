"""When people are told: rules as data, incidents by their root cause, channels that carry the message."""

from barhouse.alerts.channels import Channel, NotDelivered, channels
from barhouse.alerts.incidents import Decision, decide
from barhouse.alerts.message import Message
from barhouse.alerts.rules import FACTS, RULES, Rule, Severity, fired

__all__ = [
    "FACTS",
    "RULES",
    "Channel",
    "Decision",
    "Message",
    "NotDelivered",
    "Rule",
    "Severity",
    "channels",
    "decide",
    "fired",
]
