"""``weka-mp s3 bucket lifecycle-rule``."""

from __future__ import annotations

from typing import Any, Final

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["lifecycle_rule"]

_COLUMNS: Final = (
    "id", "enabled", "expires", "expiry_date", "prefix", "tags", "noncurrent", "larger_than", "smaller_than",
    "abort_days",
)  # fmt: skip
_SHOWN: Final = ("id", "expires", "expiry_date", "prefix", "tags", "noncurrent")
_MISSING: Final = "weka-mp s3 bucket list shows the buckets, lifecycle-rule list BUCKET its rules"


@click.group("lifecycle-rule")
def lifecycle_rule() -> None:
    """When objects of a bucket expire: they are removed then, whichever door they came through."""


@lifecycle_rule.command("add")
@click.argument("name", metavar="BUCKET")
@click.argument("days", metavar="DAYS", type=click.IntRange(1, 2**31 - 1))
@click.option("--prefix", metavar="PREFIX", help="Objects whose keys begin with it.  [default: all]")
@click.option("--tags", metavar="K1=V1&K2=V2", help="Objects that have all of these tags.  [default: any]")
@where_options
def add(where: Where, name: str, days: int, prefix: str | None, tags: str | None) -> None:
    """Let objects of BUCKET expire DAYS days after they were put there; print the id of the rule.

    Days are whole ones: an object goes after the midnight, UTC, that follows.
    """
    body: dict[str, Any] = {"expiry_days": days}
    if prefix is not None:
        body["prefix"] = prefix
    if tags is not None:
        body["tags"] = tags
    with session(where) as reached:
        done = reached.ask("POST", _rules(name), body, missing=_MISSING)
    click.echo(done["rule_id"])


@lifecycle_rule.command("list")
@click.argument("name", metavar="BUCKET")
@where_options
@table_options
def list_(where: Where, table: TableOptions, name: str) -> None:
    """List the rules of BUCKET, however they were set."""
    with session(where) as reached:
        print_table(_COLUMNS, reached.ask("GET", _rules(name), missing=_MISSING), table, shown=_SHOWN)


@lifecycle_rule.command("remove")
@click.argument("name", metavar="BUCKET")
@click.argument("rule", metavar="RULE")
@where_options
def remove(where: Where, name: str, rule: str) -> None:
    """Remove the rule with the id RULE from BUCKET."""
    with session(where) as reached:
        reached.ask("DELETE", place("s3", "buckets", name, "lifecycle", "rules", rule), missing=_MISSING)


@lifecycle_rule.command("reset")
@click.argument("name", metavar="BUCKET")
@where_options
def reset(where: Where, name: str) -> None:
    """Remove all rules of BUCKET: nothing expires there any more."""
    with session(where) as reached:
        reached.ask("DELETE", _rules(name), missing=_MISSING)


def _rules(name: str) -> str:
    return place("s3", "buckets", name, "lifecycle", "rules")
