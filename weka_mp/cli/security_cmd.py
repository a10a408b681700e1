"""``weka-mp security``."""

from __future__ import annotations

from typing import Any

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.s3_credentials import seconds_of
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["command"]

_COLUMNS = ("failed_attempts", "lockout_duration")


@click.group("security", short_help="Rules of administration's security.")
def command() -> None:
    """Rules of administration's security (docs/ADMINISTRATION.md)."""


@command.group("lockout-config")
def lockout_config() -> None:
    """How many failed logins lock a user out, and for how long."""


def _duration(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return int(value) if value.isascii() and value.isdigit() else seconds_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@lockout_config.command("set")
@click.option("--failed-attempts", type=int, metavar="N", help="So many failed logins; 1 to 1000.")
@click.option(
    "--lockout-duration", metavar="TIME", callback=_duration, help="Seconds, or 90s, 2m, 1h; a day at most."
)
@where_options
def set_(where: Where, **given: Any) -> None:
    """Change the rule; what is not given stays."""
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise click.UsageError("nothing to change: give --failed-attempts or --lockout-duration")
    with session(where) as reached:
        reached.ask("PUT", place("lockoutConfig"), body)


@lockout_config.command("show")
@where_options
@table_options
def show(where: Where, table: TableOptions) -> None:
    """Show the rule: failed logins, and seconds."""
    with session(where) as reached:
        print_table(_COLUMNS, [reached.ask("GET", place("lockoutConfig"))], table)


@lockout_config.command("reset")
@where_options
def reset(where: Where) -> None:
    """Back to the default: 5 failed logins, 2 minutes."""
    with session(where) as reached:
        reached.ask("DELETE", place("lockoutConfig"))
