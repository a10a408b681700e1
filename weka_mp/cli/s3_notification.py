"""``weka-mp s3 notification``."""

from __future__ import annotations

from typing import Any, Final

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.secret_input import read_secret
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.notifications.targets import MAX_BATCH

__all__ = ["notification"]

_COLUMNS: Final = (
    "name", "endpoint", "auth_token", "batch", "topic_arn", "queue_arn", "cloudfunction_arn",
)  # fmt: skip
_SHOWN: Final = ("name", "endpoint", "auth_token", "batch", "topic_arn")
_MISSING: Final = "weka-mp s3 notification target list shows the targets"


@click.group("notification")
def notification() -> None:
    """Who is told what becomes of a bucket's objects (docs/NOTIFICATIONS.md)."""


@notification.group("target")
def target() -> None:
    """Webhooks that the notification configurations of buckets may name by an ARN."""


_batch = click.option(
    "--batch", type=click.IntRange(1, MAX_BATCH), metavar="N",
    help="How many records one request may carry.  [default: 1]",
)  # fmt: skip


@target.command("add")
@click.argument("name", metavar="NAME")
@click.option("--endpoint", required=True, metavar="URL", help="The webhook: an http or https URL.")
@click.option(
    "--auth-token", metavar="TOKEN",
    help="The Authorization header's value, such as 'Bearer TOKEN'; - is standard input.  [default: none]",
)
@_batch
@where_options
def add(where: Where, name: str, endpoint: str, auth_token: str | None, batch: int | None) -> None:
    """Define the target NAME; print the ARN by which buckets name it as a topic."""
    body = _body(auth_token, batch)
    body |= {"target_name": name, "endpoint": endpoint}
    with session(where) as reached:
        done = reached.ask("POST", place("s3", "notificationTargets"), body)
    click.echo(done["topic_arn"])


@target.command("update")
@click.argument("name", metavar="NAME")
@click.option("--endpoint", metavar="URL", help="Another webhook; what waits goes there.")
@click.option(
    "--auth-token", metavar="TOKEN",
    help="Another token, an empty one takes it away; - is standard input. Another endpoint needs it anew.",
)
@_batch
@where_options
def update(
    where: Where, name: str, endpoint: str | None, auth_token: str | None, batch: int | None
) -> None:
    """Change the target NAME; what is not given stays."""
    body = _body(auth_token, batch)
    if endpoint is not None:
        body["endpoint"] = endpoint
    with session(where) as reached:
        reached.ask("PUT", place("s3", "notificationTargets", name), body, missing=_MISSING)


@target.command("list")
@where_options
@table_options
def list_(where: Where, table: TableOptions) -> None:
    """List the targets; never a token."""
    with session(where) as reached:
        print_table(_COLUMNS, reached.ask("GET", place("s3", "notificationTargets")), table, shown=_SHOWN)


@target.command("show")
@click.argument("name", metavar="NAME")
@where_options
@table_options
def show(where: Where, table: TableOptions, name: str) -> None:
    """Show the target NAME; never its token."""
    with session(where) as reached:
        found = reached.ask("GET", place("s3", "notificationTargets", name), missing=_MISSING)
        print_table(_COLUMNS, [found], table)


@target.command("remove")
@click.argument("name", metavar="NAME")
@where_options
def remove(where: Where, name: str) -> None:
    """Remove the target NAME, which no bucket may name any more; what waits for it is dropped."""
    with session(where) as reached:
        reached.ask("DELETE", place("s3", "notificationTargets", name), missing=_MISSING)


def _body(auth_token: str | None, batch: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if auth_token is not None:
        body["auth_token"] = auth_token and read_secret(auth_token, "Token of the webhook")
    if batch is not None:
        body["batch"] = batch
    return body
