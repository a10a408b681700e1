"""``weka-mp etag fill``."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping

import click

from weka_mp.cli.refusals import Refusal, ServiceUnreachable
from weka_mp.cli.services import find_service
from weka_mp.cli.settings import store_of
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.control.client import AdminClient, Refused, Unreachable
from weka_mp.errors import NamespaceError
from weka_mp.supervise.background import fill_until_done
from weka_mp.supervise.opening import open_namespace
from weka_mp.values import BucketName

__all__ = ["command"]

_POLL_SECONDS = 0.2
_SOCKET_MISSING = "no service runs on this store (start one, or use --wait to fill it here)"


@click.group("etag", short_help="Look after ETags.")
def command() -> None:
    """Look after the ETags of files written without S3."""


@command.command("fill")
@click.argument("target", metavar="BUCKET[/PREFIX]")
@click.option("--store", metavar="STORE", help="The store. [WEKA_MP_STORE]")
@click.option(
    "--wait", is_flag=True, help="Wait until it is done, and print counts; needs no running service."
)
@table_options
@click.pass_context
def fill(
    context: click.Context, /, target: str, store: str | None, wait: bool, table: TableOptions
) -> None:
    """Give files that were written without S3 their MD5 ETags now.

    Without --wait the running service is asked and does it soon; exit status 3 when there is none.
    """
    path = store_of(context, store)
    bucket, _, prefix = target.partition("/")
    client = find_service(path)
    if client is not None:
        _fill_there(client, bucket, prefix, wait, table)
    elif wait:
        _fill_here(path, BucketName(bucket), os.fsencode(prefix), table)
    else:
        raise ServiceUnreachable(_SOCKET_MISSING)


def _fill_there(client: AdminClient, bucket: str, prefix: str, wait: bool, table: TableOptions) -> None:
    try:
        job = client.request("POST", "/api/v2/etag/fill", {"bucket": bucket, "prefix": prefix})["job"]
        if not wait:
            _print({"job": job}, f"asked the service: job {job}", table)
            return
        while (state := client.request("GET", f"/api/v2/etag/fill/{job}"))["state"] == "running":
            time.sleep(_POLL_SECONDS)
    except Refused as error:
        raise Refusal(f"{bucket}: {error}") from error
    except Unreachable as error:
        raise ServiceUnreachable(f"the service has gone: {error}") from error
    if state["state"] != "done":
        raise Refusal(f"{bucket}: {state.get('reason', 'the fill failed')}")
    _print_counts(state.get("counts"), table)


def _fill_here(store: str, bucket: BucketName, prefix: bytes, table: TableOptions) -> None:
    try:
        with open_namespace(store, "commit") as namespace:
            report = fill_until_done(namespace, bucket, prefix, lambda: False)
    except NamespaceError as error:
        raise Refusal(f"{bucket}: {error}") from error
    _print_counts(dataclasses.asdict(report), table)


def _print_counts(counts: object, table: TableOptions) -> None:
    if not isinstance(counts, Mapping):
        raise Refusal("the service sent no counts")
    _print(counts, ", ".join(f"{key} {number}" for key, number in counts.items()), table)
    if counts.get("failed"):
        raise Refusal(f"{counts['failed']} files could not be filled")


def _print(record: Mapping[str, object], words: str, table: TableOptions) -> None:
    """A record, or words for people. In JSON it is the one object."""
    if table.asked:
        print_table(tuple(record), [record], table, around=lambda rows: rows[0] if rows else {})
    else:
        click.echo(words)
