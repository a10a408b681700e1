"""Rows in every form."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from weka_mp.cli.tables import TableOptions, print_table, table_options

ROWS = [
    {"name": "b", "size": 10, "users": ["x", "y"], "guest": True},
    {"name": "a|\x1b[1m", "size": 9, "users": [], "guest": False},
    {"name": "c", "size": 9, "users": ("z",), "guest": False},
]


@click.command()
@table_options
def command(table: TableOptions) -> None:
    """Lists."""
    print_table(("name", "size", "users", "guest"), ROWS, table)


def _run(*words: str) -> str:
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    return result.output


def test_for_people() -> None:
    assert _run() == (
        "NAME       SIZE  USERS  GUEST\n"
        "b          10    x,y    yes\n"
        "a|\\x1b[1m  9            no\n"
        "c          9     z      no\n"
    )


def test_json_keeps_types() -> None:
    assert json.loads(_run("-J")) == json.loads(_run("-f", "json"))
    assert json.loads(_run("-J"))[0] == ROWS[0]


def test_csv_and_markdown() -> None:
    assert _run("-f", "csv", "-o", "size,users", "-F", "name=b") == 'size,users\n10,"x,y"\n'
    assert _run("-f", "markdown", "-o", "name") == "| name |\n| --- |\n| b |\n| a\\|\\x1b[1m |\n| c |\n"


def test_sorting_is_by_number_and_stable() -> None:
    assert _run("--no-header", "-o", "name", "-s", "size,-name", "-f", "csv") == "c\na|\\x1b[1m\nb\n"
    assert _run("--no-header", "-o", "size", "-s", "-size") == "10\n9\n9\n"


def test_filters_all_count() -> None:
    assert _run("--no-header", "-o", "name", "-F", "size=9", "-F", "guest=no", "-F", "name=c") == "c\n"
    assert _run("--no-header", "-F", "size=1") == ""


@pytest.mark.parametrize(
    "words", [["-o", "colour"], ["-s", "colour"], ["-F", "colour=red"], ["-F", "x"], ["-f", "xml"]]
)
def test_unknown_columns_and_forms_are_usage_errors(words: list[str]) -> None:
    assert CliRunner().invoke(command, words).exit_code == 2
