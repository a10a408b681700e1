"""``weka-mp check``."""

from __future__ import annotations

import os

import click

from weka_mp.cli.refusals import Refusal
from weka_mp.cli.services import store_id_of
from weka_mp.cli.settings import store_of
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.errors import NamespaceError
from weka_mp.namespace.upkeep.checking import Check, Finding, Repairs
from weka_mp.supervise.opening import open_namespace

__all__ = ["command"]

_COLUMNS = ("kind", "path", "detail", "done")


@click.command("check", short_help="Look at every record of a store, and put right what is wrong.")
@click.argument("argument", metavar="[STORE]", required=False)
@click.option("--store", metavar="STORE", help="The store; an alternative to the argument. [WEKA_MP_STORE]")
@click.option(
    "--restamp",
    is_flag=True,
    help="Let records that a backup tool copied count again, where the content is the one they speak of.",
)
@click.option("--verify", is_flag=True, help="Read every object and compare it with its ETag and checksums.")
@click.option(
    "--repair",
    is_flag=True,
    help="Set broken records aside, void wrong ones (with --verify), remove leftovers.",
)
@table_options
@click.pass_context
def command(
    context: click.Context,
    /,
    argument: str | None,
    store: str | None,
    restamp: bool,
    verify: bool,
    repair: bool,
    table: TableOptions,
) -> None:
    """Look at every record, overflow file and leftover of STORE, whether a service runs on it or not.

    Without a flag nothing is changed. Exit status 0 when nothing is wrong or all of it was put right, else 1.
    """
    path = store_of(context, argument if argument is not None else store)
    if store_id_of(path) is None:
        raise Refusal(f"{path}: not a store")
    try:
        with open_namespace(path, "commit") as namespace:
            left = _show(namespace.check(Repairs(restamp, verify, repair)), table)
    except NamespaceError as error:
        raise Refusal(f"{path}: {error}") from error
    context.exit(1 if left else 0)


def _show(check: Check, table: TableOptions) -> int:
    """Print findings, then the counts; how many were not put right. People see them as they come."""
    left, rows = 0, []
    for finding in check.run():
        left += not finding.done
        if table.asked:
            rows.append(_row(finding))
        else:
            done = f" ({finding.done})" if finding.done else ""
            click.echo(f"{finding.kind.value:<12} {finding.detail}{done}: ", nl=False)
            click.echo(finding.path)
    if table.asked:
        counts = dict(check.counts)
        print_table(
            _COLUMNS, rows, table, around=lambda found: {"findings": found, "counts": counts, "left": left}
        )
    else:
        click.echo(", ".join(f"{name} {number}" for name, number in sorted(check.counts.items())) or "empty")
    return left


def _row(finding: Finding) -> dict[str, str]:
    return {
        "kind": finding.kind.value,
        "path": os.fsdecode(finding.path),
        "detail": finding.detail,
        "done": finding.done,
    }
