"""``weka-mp doctor``."""

from __future__ import annotations

import dataclasses

import click

from weka_mp.cli.diagnosis import UNUSABLE, diagnose
from weka_mp.cli.settings import store_of
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["command"]

_COLUMNS = ("state", "name", "value", "cost")


@click.command("doctor", short_help="Say what a store's file system offers, and what each lack costs.")
@click.argument("argument", metavar="[STORE]", required=False)
@click.option("--store", metavar="STORE", help="The store; an alternative to the argument. [WEKA_MP_STORE]")
@table_options
@click.pass_context
def command(
    context: click.Context, /, argument: str | None, store: str | None, table: TableOptions
) -> None:
    """Try on the directory STORE itself what its file system offers, and say what each lack costs.

    Nothing is changed but for a scratch directory that is made and removed. Exit status 0 when STORE can
    be served, 1 when not.
    """
    findings = diagnose(store_of(context, argument if argument is not None else store))
    usable = all(finding.state != UNUSABLE for finding in findings)
    rows = [dataclasses.asdict(finding) for finding in findings]
    print_table(_COLUMNS, rows, table, around=lambda found: {"usable": usable, "findings": found})
    if not table.asked:
        click.echo("usable" if usable else "not usable")
    context.exit(0 if usable else 1)
