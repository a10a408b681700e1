"""``weka-mp config check``."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from weka_mp.cli.settings import configuration
from weka_mp.config import OPTIONS, Address, Loaded

__all__ = ["command"]


@click.group("config", short_help="Look at the configuration.")
def command() -> None:
    """Look at the configuration."""


@command.command("check")
@click.option("--config", metavar="FILE", help="The TOML file. [WEKA_MP_CONFIG]")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, config: str | None, as_json: bool) -> None:
    """Check variables and the file, and print what is in force and where it comes from.

    Exit status 2 when a key is unknown or a value wrong.
    """
    loaded = configuration(context, {"config": config})
    if as_json:
        click.echo(json.dumps({key: value for key, value, _ in _rows(loaded)}))
        return
    for key, value, source in _rows(loaded):
        click.echo(f"{key:<14} {_shown(value):<28} {source}")


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
