"""``weka-mp config check``."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from weka_mp.cli.settings import configuration
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.config import OPTIONS, Address, Loaded

__all__ = ["command"]

_COLUMNS = ("key", "value", "source")


@click.group("config", short_help="Look at the configuration.")
def command() -> None:
    """Look at the configuration."""


@command.command("check")
@click.option("--config", metavar="FILE", help="The TOML file. [WEKA_MP_CONFIG]")
@table_options
@click.pass_context
def check(context: click.Context, /, config: str | None, table: TableOptions) -> None:
    """Check variables and the file, and print what is in force and where it comes from.

    Exit status 2 when a key is unknown or a value wrong.
    """
    loaded = configuration(context, {"config": config})
    plain = table.form == "json"
    rows = [
        {"key": key, "value": value if plain else _shown(value), "source": source}
        for key, value, source in _rows(loaded)
    ]
    print_table(_COLUMNS, rows, table)


def _rows(loaded: Loaded) -> list[tuple[str, Any, str]]:
    values = {field.name: getattr(loaded.config, field.name) for field in dataclasses.fields(loaded.config)}
    return [(entry.key, _plain(values[entry.key]), loaded.sources[entry.key]) for entry in OPTIONS]


def _plain(value: object) -> object:
    if isinstance(value, Address):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "(none)"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)
