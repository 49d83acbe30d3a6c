"""All that can be set, and who says it: flags, the environment, a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from barhouse.config import file
from barhouse.config.cron import Cron
from barhouse.config.parts import AlertRules, Limits, RetentionDays, Vendors


def _data_dir() -> Path:
    """Where this user's data belongs: root's under /var/lib, others' where their system keeps such things."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "barhouse"
    if os.geteuid() == 0:
        return Path("/var/lib/barhouse")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "barhouse"


def plain(name: str) -> AliasChoices:
    """The variables of a setting that has a name of its own beside ours."""
    return AliasChoices(name, f"BARHOUSE_{name.upper()}")


def _words(given: object) -> object:
    """A text of several words, parted by blanks or commas, as a list."""
    return given.replace(",", " ").split() if isinstance(given, str) else given


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
"""Several words: a list, or a text in which blanks or commas part them."""


BLANK = {"allowed_hosts", "binance_futures_url", "cors_origins", "critical_symbols", "large_symbols"}
"""Settings that a variable can leave empty on purpose; elsewhere an empty one is as good as none."""


class Environment(EnvSettingsSource):
    """The environment, in which an empty variable says nothing."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """What is told of a field."""
        value, key, is_complex = super().get_field_value(field, field_name)
        return (None if value == "" and field_name not in BLANK else value), key, is_complex


class Settings(BaseSettings):
    """What can be set from outside, each by `BARHOUSE_<NAME>` unless another name is given."""

    model_config = SettingsConfigDict(
        env_prefix="BARHOUSE_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        allow_inf_nan=False,
    )

    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=plain("DATABASE_URL"),
        examples=["postgresql://barhouse:PASSWORD@localhost/barhouse"],
        description="The PostgreSQL to use (13 or newer); left out, the embedded one in `data_dir` runs.",
    )
    data_dir: Path = Field(default_factory=_data_dir, description="Where the embedded PostgreSQL keeps the bars.")
    host: str = Field(default="127.0.0.1", description="The address that the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port that the API listens on.")
    insecure: bool = Field(
        default=False, description="Whether other machines are served without a key, as long as none was made."
    )
    allowed_hosts: str = Field(
        default="",
        description="Names beside this machine's own by which the API may be called, separated by commas.",
    )
    public_reads: bool = Field(
        default=False, description="Whether what takes the role read is open without a key; changes never are."
    )
    cors_origins: Words = Field(
        default=(),
        examples=["https://charts.example.com"],
        description="Sites whose pages may call the API from a browser; `*` lets every site read.",
    )
    limits: Limits = Field(default=Limits(), description="Calls a minute.")
    api_key: SecretStr | None = Field(
        default=None, examples=["YOUR_KEY"], description="The key that `barhouse.client` sends, unless it is given one."
    )

    polygon_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=plain("POLYGON_API_KEY"),
        examples=["YOUR_KEY"],
        description="The key of Polygon (Massive); left out, that source is not used.",
    )
    polygon_url: str = Field(
        default="https://api.polygon.io",
        description="Polygon's host; https://api.massive.com is the same service under its new name.",
    )
    polygon_calls_per_minute: int = Field(
        default=5, ge=0, description="Calls a minute that the Polygon plan allows; 0 for a plan without a limit."
    )
    polygon_end_of_day: bool = Field(
        default=False, description="Whether the Polygon plan has bars at the end of the day: due 4 h after their close."
    )
    egress: str = Field(
        default="here",
        min_length=1,
        description="A name for the address by which vendors see this machine; those of one name share its quotas.",
    )
    yahoo_url: str = Field(default="https://query2.finance.yahoo.com", description="Yahoo's host.")
    binance_url: str = Field(default="https://api.binance.com", description="Binance's host for spot bars.")
    binance_futures_url: str = Field(
        default="https://fapi.binance.com",
        description="Binance's host for funding, open interest and long/short; empty leaves them out.",
    )
    http_timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for a vendor's answer.")

    max_concurrent_symbols: int = Field(default=3, ge=1, description="Series that are fetched at the same time.")
    parallel_backfill: bool = Field(
        default=True, description="Whether a scheduled run fetches several series at once; else one after the other."
    )
    stagger_seconds: float = Field(default=0.2, ge=0, description="Seconds between the starts of two series of a run.")

    backfill_enabled: bool = Field(
        default=True, validation_alias=plain("backfill_enabled"), description="Whether all series are fetched daily."
    )
    backfill_schedule_hour: int = Field(
        default=2,
        ge=0,
        le=23,
        validation_alias=plain("backfill_schedule_hour"),
        description="The hour, UTC, of the daily backfill.",
    )
    backfill_schedule_minute: int = Field(
        default=0,
        ge=0,
        le=59,
        validation_alias=plain("backfill_schedule_minute"),
        description="The minute of the daily backfill.",
    )
    enrichment_enabled: bool = Field(
        default=True,
        validation_alias=plain("enrichment_enabled"),
        description="Whether all series are enriched daily: when the day's backfill ends, if that is on.",
    )
    enrichment_schedule_hour: int = Field(
        default=1,
        ge=0,
        le=23,
        validation_alias=plain("enrichment_schedule_hour"),
        description="The hour, UTC, of the daily enrichment where there is no daily backfill.",
    )
    enrichment_schedule_minute: int = Field(
        default=30,
        ge=0,
        le=59,
        validation_alias=plain("enrichment_schedule_minute"),
        description="The minute of the daily enrichment.",
    )
    health_enabled: bool = Field(
        default=True,
        validation_alias=plain("health_enabled"),
        description="Whether `barhouse up` looks how the warehouse is, and tells people.",
    )
    health_schedule: Cron = Field(default="0 */6 * * *", description="When that is looked at: cron, UTC.")
    critical_symbols: Words = Field(
        default=("SPY", "QQQ", "BTC", "ETH"),
        description="Symbols whose series of 1h and finer are refreshed while their market is open.",
    )
    critical_schedule: Cron = Field(default="0 * * * *", description="When those are refreshed: cron, UTC.")
    large_symbols: Words = Field(default=(), description="Symbols that are refreshed more than once a day.")
    large_schedule: Cron = Field(default="0 */4 * * *", description="When those are refreshed: cron, UTC.")

    alert_urls: SecretStr | None = Field(
        default=None,
        examples=["https://hooks.example.com/bars"],
        description="Who is told: webhooks (https://…) and apprise addresses, separated by blanks or commas.",
    )
    alert_secret: SecretStr | None = Field(
        default=None, examples=["A_LONG_RANDOM_TEXT"], description="The secret by which webhooks are signed."
    )
    alert_private_networks: bool = Field(
        default=False, description="Whether webhooks may go to this machine and to private networks."
    )
    vendors: Vendors = Field(default=Vendors(), description="How vendors are called.")
    alert_rules: AlertRules = Field(default=AlertRules(), description="When people are told.")
    retention_days: RetentionDays = Field(default=RetentionDays(), description="How long logs are kept.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is told in so many words goes before the environment, and that before the file."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, Environment(settings_cls), InitSettingsSource(settings_cls, file.told())
