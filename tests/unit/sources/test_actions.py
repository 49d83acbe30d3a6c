"""Splits and dividends from files: each is read, or the file is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from barhouse.errors import UnreadableFile
from barhouse.sources.actions import read_actions


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    return tmp_path / "actions.csv"


@pytest.mark.parametrize("ratio", ["4", "4.0", "4:1", "4/1", "4-for-1", "4 for 1", "8:2"])
def test_a_ratio_says_how_many_shares_come_of_one(a_file: Path, ratio: str) -> None:
    a_file.write_text(f"date,ratio\n2021-07-20,{ratio}\n")

    assert read_actions(a_file).rows() == [("split", date(2021, 7, 20), 4.0, None, None)]


def test_a_reverse_split_makes_fewer_shares(a_file: Path) -> None:
    a_file.write_text("execution_date,split_from,split_to\n2021-08-02,8,1\n")

    assert read_actions(a_file)["ratio"].to_list() == [0.125]


def test_dividends_have_an_amount_and_perhaps_a_currency(a_file: Path) -> None:
    a_file.write_text("ex_date,amount,currency\n2021-08-06,0.22,USD\n")

    assert read_actions(a_file).rows() == [("dividend", date(2021, 8, 6), None, 0.22, "USD")]


def test_empty_and_zero_cells_are_no_actions(a_file: Path) -> None:
    a_file.write_text("Date,Dividends,Stock Splits\n2020-08-07,0.82,0.0\n2020-08-10,0.0,0.0\n2020-08-31,,4.0\n")

    assert read_actions(a_file).select("kind", "effective").rows() == [
        ("dividend", date(2020, 8, 7)),
        ("split", date(2020, 8, 31)),
    ]


@pytest.mark.parametrize("row", ["soon,4", "2021-07-20,four", "2021-07-20,-4", "2021-07-20,4:0", "2021-07-20,nan"])
def test_an_action_that_cannot_be_read_refuses_the_file_and_names_the_row(a_file: Path, row: str) -> None:
    a_file.write_text(f"date,ratio\n2020-01-02,2\n{row}\n")

    with pytest.raises(UnreadableFile, match="row 2"):
        read_actions(a_file)


@pytest.mark.parametrize("headings", ["day,ratio", "date,factor"])
def test_columns_that_are_missing_are_told_with_those_that_are_there(a_file: Path, headings: str) -> None:
    a_file.write_text(f"{headings}\n2021-07-20,4\n")

    with pytest.raises(UnreadableFile, match=headings.replace(",", ", ")):
        read_actions(a_file)
