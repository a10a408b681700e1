"""``weka-mp doctor``."""

from __future__ import annotations

import dataclasses
import json

import click

from weka_mp.cli.diagnosis import UNUSABLE, Finding, diagnose
from weka_mp.cli.settings import store_of

__all__ = ["command"]


@click.command("doctor", short_help="Say what a store's file system offers, and what each lack costs.")
@click.argument("argument", metavar="[STORE]", required=False)
@click.option("--store", metavar="STORE", help="The store; an alternative to the argument. [WEKA_MP_STORE]")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, argument: str | None, store: str | None, as_json: bool) -> None:
    """Try on the directory STORE itself what its file system offers, and say what each lack costs.

    Nothing is changed but for a scratch directory that is made and removed. Exit status 0 when STORE can
    be served, 1 when not.
    """
    findings = diagnose(store_of(context, argument if argument is not None else store))
    usable = all(finding.state != UNUSABLE for finding in findings)
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        click.echo(json.dumps({"usable": usable, "findings": rows}))
    else:
        _print_table(findings)
        click.echo("usable" if usable else "not usable")
    context.exit(0 if usable else 1)


def _print_table(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        cost = f"  ({finding.cost})" if finding.cost else ""
        click.echo(f"{finding.state:<8} {finding.name:<{width}}  {finding.value}{cost}")
