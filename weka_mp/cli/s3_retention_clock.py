"""``weka-mp s3 retention-clock``."""

from __future__ import annotations

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["retention_clock"]

_COLUMNS = ("retention_time", "machine_time", "behind_seconds")


@click.group("retention-clock")
def retention_clock() -> None:
    """The clock by which retentions of Object Lock end: it does not follow the machine's ahead."""


@retention_clock.command("show")
@where_options
@table_options
def show(where: Where, table: TableOptions) -> None:
    """Show it beside the machine's clock."""
    with session(where) as reached:
        print_table(_COLUMNS, [reached.ask("GET", place("s3", "retentionClock"))], table)


@retention_clock.command("accept")
@click.argument("time", metavar="TIME")
@where_options
def accept(where: Where, time: str) -> None:
    """Let retentions go by the machine's clock from now on, which is right.

    TIME is what it is now (2026-11-23T00:10:00Z), by another clock than this machine's. Whatever ends by it
    ends at once; it is told as an event.
    """
    with session(where) as reached:
        reached.ask("PUT", place("s3", "retentionClock"), {"time": time})
