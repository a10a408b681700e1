"""``weka-mp events``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.moments import moment_of
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.events import CATEGORIES, Severity

__all__ = ["command"]

_COLUMNS: Final = (
    "timestamp", "category", "severity", "type", "user", "account", "source", "via", "parameters",
    "description",
)  # fmt: skip
_SHOWN: Final = ("timestamp", "severity", "type", "user", "source", "via", "parameters")
_TYPE_COLUMNS: Final = ("type", "category", "severity", "description")
_SEVERITIES: Final = tuple(one.name.lower() for one in Severity)


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return moment_of(value, datetime.now().astimezone()).astimezone(UTC).isoformat()
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.group("events", invoke_without_command=True, short_help="Who changed what of a store, and when.")
@click.option(
    "--num-results", type=click.IntRange(0), metavar="N", help="So many of the newest; 0: all. [default: 50]"
)
@click.option(
    "--start-time", callback=_moment, metavar="TIME",
    help="From then on: 5m, -1d (ago), 18:30, 2018-12-31T10:00, 9:15Z.",
)
@click.option("--end-time", callback=_moment, metavar="TIME", help="Up to then.")
@click.option(
    "--severity", type=click.Choice(_SEVERITIES, case_sensitive=False),
    help="This and what is worse. [default: info]",
)
@click.option(
    "--category", "--category-list", "category_list", multiple=True, metavar="CATEGORY[,...]",
    help=f"Of these: {', '.join(CATEGORIES)}.",
)
@click.option(
    "--type", "--type-list", "type_list", multiple=True, metavar="TYPE[,...]",
    help="Of these types (weka-mp events list-types).",
)
@click.option("--exclude-type-list", multiple=True, metavar="TYPE[,...]", help="Without these.")
@click.option("--direction", type=click.Choice(["asc", "dsc"]), help="In which order of time. [default: asc]")
@click.option("-U", "--UTC", "utc", is_flag=True, help="Times in UTC, not in local time.")
@where_options
@table_options
@click.pass_context
def command(
    context: click.Context, /, where: Where, table: TableOptions, utc: bool, **given: Any
) -> None:
    """List system events: every change of buckets, policies, users, credentials and rules, whoever made it.

    A cluster administrator sees all, others what was done by their own account.
    """
    if context.invoked_subcommand is not None:
        return
    body = {name: ",".join(value) if isinstance(value, tuple) else value for name, value in given.items()}
    body["sort_order"] = body.pop("direction")
    with session(where) as reached:
        found = reached.ask("GET", place("events"), _given(body))
    print_table(_COLUMNS, [_row(event, utc) for event in found], table, shown=_SHOWN)


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value not in (None, "")}


def _row(event: dict[str, Any], utc: bool) -> dict[str, Any]:
    when = datetime.fromisoformat(event["timestamp"])
    return {**event, "timestamp": (when if utc else when.astimezone()).isoformat(timespec="microseconds")}


@command.command("list-types")
@where_options
@table_options
def list_types(where: Where, table: TableOptions) -> None:
    """List the types of events there are."""
    with session(where) as reached:
        print_table(_TYPE_COLUMNS, reached.ask("GET", place("events", "describe")), table)
