"""What docs/clients.md tells people to write works as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yfinance

from barhouse.config.origins import known

PAGE = (Path(__file__).parents[3] / "docs" / "clients.md").read_text(encoding="utf-8")
HERE = "http://127.0.0.1:8000"
EXAMPLES = dict(zip(("massive", "ccxt", "yfinance"), re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), strict=True))


@pytest.fixture
def as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What an example changes in yfinance is as it was after the test."""
    yfinance.set_tz_cache_location(str(tmp_path))
    data = yfinance.data.YfData()
    for owner, name in ((yfinance.base, "_BASE_URL_"), (yfinance.scrapers.history, "_BASE_URL_"), (data, "_cookie")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(data, "_crumb", data._crumb)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(("client", "count"), [("massive", 250), ("ccxt", 336), ("yfinance", 249)])
def test_each_example_reads_bars(barhouse: str, client: str, count: int) -> None:
    said: dict[str, Any] = {}
    exec(EXAMPLES[client].replace(HERE, barhouse), said)

    assert len(said["bars"]) == count


def test_the_settings_of_the_second_barhouse_exist() -> None:
    [told] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    names = {each.name for each in known()}

    assert {line.split(" = ")[0] for line in told.splitlines()} <= names
    assert set(re.findall(r"BARHOUSE_(\w+)=", PAGE)) <= {name.upper() for name in names}
