"""Settings that belong together: each class is a section of `barhouse.toml`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

A_WEEK = 7
"""Days that every log is kept at least: alerts and reports look so far back."""


class Part(BaseModel):
    """A section; what is not told stays as it is by default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RetentionDays(Part):
    """Days that logs are kept. Bars, corrections, and all that tells what was known when are kept for ever."""

    fetches: int = Field(default=90, ge=A_WEEK, description="Calls to vendors that changed nothing.")
    computations: int = Field(default=90, ge=A_WEEK, description="Computations of features, and their failures.")
    jobs: int = Field(default=90, ge=A_WEEK, description="Jobs that have ended, and the series they brought.")
    series_runs: int = Field(default=90, ge=A_WEEK, description="How each series fared in each run.")
    runs: int = Field(default=365, ge=A_WEEK, description="Runs of the schedulers.")
    health_runs: int = Field(default=90, ge=A_WEEK, description="Health runs.")
    incidents: int = Field(default=365, ge=A_WEEK, description="Incidents that are over, and who was told of them.")
    anomalies: int = Field(default=365, ge=A_WEEK, description="Anomalies that are resolved.")


class Limits(Part):
    """How often a key of each tier may call within a minute, in all processes together; `unlimited` has no limit."""

    free: int = Field(default=60, ge=1, le=1_000_000, description="Calls a minute of a key of the tier free.")
    standard: int = Field(default=600, ge=1, le=1_000_000, description="Calls a minute of a key of the tier standard.")
    public: int = Field(
        default=60, ge=1, le=1_000_000, description="Calls a minute of an address without a key (`public_reads`)."
    )


class AlertRule(Part):
    """When people are told."""

    enabled: bool = Field(default=True, description="Whether it is watched.")
    severity: Literal["warning", "critical"] = Field(description="How soon somebody has to look.")
    threshold: float = Field(description="Where it begins to fire, in the unit of its messages.")


class CountedRule(AlertRule):
    """A rule that needs something to count."""

    events: int = Field(default=10, ge=1, description="Events below which nobody can tell.")


class RateRule(CountedRule):
    """A rule that looks back so far."""

    window_hours: int = Field(default=24, ge=1, le=24 * A_WEEK, description="Hours that it looks back.")


class AlertRules(Part):
    """The rules of which people are told; those of rates fire below their threshold, disk_space too, others above."""

    vendor_down: AlertRule = Field(
        default=AlertRule(severity="critical", threshold=4), description="Fetches that fail in a row at one vendor."
    )
    key_refused: AlertRule = Field(
        default=AlertRule(severity="critical", threshold=0), description="A key that its vendor refuses, told at once."
    )
    fetch_success: RateRule = Field(
        default=RateRule(severity="warning", threshold=95), description="Fetches that succeed, in percent."
    )
    mean_quality: RateRule = Field(
        default=RateRule(severity="warning", threshold=0.85, window_hours=24 * A_WEEK),
        description="Mean quality of the bars of some days.",
    )
    overdue: AlertRule = Field(
        default=AlertRule(severity="warning", threshold=24), description="Market hours that bars are overdue."
    )
    compute_success: RateRule = Field(
        default=RateRule(severity="critical", threshold=95), description="Computations that succeed, in percent."
    )
    run_failures: CountedRule = Field(
        default=CountedRule(severity="critical", threshold=20),
        description="Symbols of the last run that failed, in percent.",
    )
    no_backfill: AlertRule = Field(
        default=AlertRule(severity="warning", threshold=24), description="Hours without a backfill that succeeded."
    )
    symbol_failing: AlertRule = Field(
        default=AlertRule(severity="warning", threshold=2), description="Failures of a symbol in a row."
    )
    disk_space: AlertRule = Field(
        default=AlertRule(severity="critical", threshold=200), description="MB left on the disk of the bars."
    )
    queue_age: AlertRule = Field(
        default=AlertRule(severity="warning", threshold=6), description="Hours that a backfill waits for a worker."
    )


class Vendor(Part):
    """How calls to a vendor are made, and when it is left alone."""

    attempts: int = Field(default=5, ge=1, le=5, description="How often a call is tried in all.")
    first_wait: float = Field(default=1.0, ge=0, description="Seconds before the second attempt; they double.")
    longest_wait: float = Field(
        default=300.0, gt=0, le=300, description="Seconds that are waited at most; else the next source is asked."
    )
    failure_share: float = Field(
        default=0.5, gt=0, le=1, description="The share of failing calls from which on it is left alone."
    )
    recovery: float = Field(default=60.0, gt=0, description="Seconds that it is left alone, before one call tries it.")
    calls_a_second: float = Field(default=100.0, gt=0, description="The pace at which calls leave.")
    calls_at_once: int = Field(default=10, ge=1, description="Calls that are under way together.")


class Vendors(Part):
    """The vendors."""

    polygon: Vendor = Field(default=Vendor(), description="Polygon (Massive).")
    yahoo: Vendor = Field(default=Vendor(), description="Yahoo.")
    binance: Vendor = Field(default=Vendor(), description="Binance, spot.")
