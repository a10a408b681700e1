"""``weka-mp s3 explain``."""

from __future__ import annotations

from typing import Any

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["explain"]

_COLUMNS = ("action", "step", "answer", "decided_by", "why")


@click.command("explain")
@click.argument("user")
@click.argument("action")
@click.argument("resource", metavar="[BUCKET[/KEY]]", required=False)
@click.option("--encoded", is_flag=True, help="The key is percent-encoded, as in a URL.")
@click.option("--source-ip", metavar="ADDRESS", help="Where the request comes from. [default: 127.0.0.1]")
@click.option("--secure", is_flag=True, help="It comes over TLS.")
@click.option(
    "--condition", "conditions", metavar="KEY=VALUE", multiple=True,
    help="What the request says of a condition key (s3:prefix=a/); may be repeated.",
)
@click.option(
    "--source", metavar="BUCKET/KEY",
    help="What CopyObject, UploadPartCopy or RenameObject takes its bytes from.",
)
@where_options
@table_options
def explain(where: Where, table: TableOptions, **given: Any) -> None:
    """Say whether USER may do ACTION to BUCKET/KEY, and which statement, mode bit or ACL decides.

    USER is a user's name, root, anonymous, or any access key. ACTION is one of policies (s3:GetObject) or an
    operation (HeadObject). The last line is the answer.
    """
    body = {name: value for name, value in given.items() if value}
    if "conditions" in body:
        body["conditions"] = list(body["conditions"])
    with session(where) as reached:
        print_table(_COLUMNS, reached.ask("POST", place("s3", "explain"), body), table)
