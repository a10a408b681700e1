"""``weka-mp s3 service-account`` and ``weka-mp s3 sts``."""

from __future__ import annotations

from typing import Any

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.moments import duration
from weka_mp.cli.policy_files import read_policy
from weka_mp.cli.secret_input import read_secret
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["service_account", "sts"]

_SHOWN = ("access_key", "parent_user", "implied_policy", "policy_content")
_MISSING = "weka-mp s3 service-account list shows yours"
_TITLES = (("Access-Key", "access_key"), ("Secret-Key", "secret_key"), ("Session-Token", "session_token"))


@click.group("service-account")
def service_account() -> None:
    """Further access keys of an S3 user, made by that user alone.

    Set WEKA_MP_USERNAME to its access key and WEKA_MP_PASSWORD to its secret key.
    """


@service_account.command("list")
@where_options
@table_options
def list_(where: Where, table: TableOptions) -> None:
    """List the access keys of your service accounts."""
    with session(where) as reached:
        print_table(("access_key",), reached.ask("GET", place("s3", "serviceAccounts")), table)


@service_account.command("add")
@click.argument("argument", metavar="[POLICY-FILE]", required=False)
@click.option("--policy-file", metavar="FILE", help="The same as POLICY-FILE.")
@where_options
@table_options
def add(where: Where, table: TableOptions, argument: str | None, policy_file: str | None) -> None:
    """Make one, and print its keys: the secret key is never shown again. A policy narrows what it may do."""
    if argument is not None and policy_file is not None:
        raise click.UsageError("POLICY-FILE and --policy-file name two files")
    file = argument if argument is not None else policy_file
    body = _policy_body(file)
    with session(where) as reached:
        issued = reached.ask("POST", place("s3", "serviceAccounts"), body, file=file)
    _print_keys(issued, _TITLES[:2], table)


@service_account.command("show")
@click.argument("key", metavar="ACCESS-KEY")
@where_options
@table_options
def show(where: Where, key: str, table: TableOptions) -> None:
    """Show one of yours, without its secret."""
    with session(where) as reached:
        found = reached.ask("GET", place("s3", "serviceAccounts", key), missing=_MISSING)
    print_table(_SHOWN, [found], table)


@service_account.command("remove")
@click.argument("key", metavar="ACCESS-KEY")
@where_options
def remove(where: Where, key: str) -> None:
    """Remove one of yours; its keys are good for nothing then."""
    with session(where) as reached:
        reached.ask("DELETE", place("s3", "serviceAccounts", key), missing=_MISSING)


@click.group("sts")
def sts() -> None:
    """Temporary credentials."""


@sts.command("assume-role")
@click.option("--access-key", metavar="KEY", required=True, help="Of the S3 user whose rights they have.")
@click.option("--secret-key", metavar="SECRET", help="Asked for, or read from standard input, when left out.")
@click.option("--policy-file", metavar="FILE", help="A policy that narrows what they may do.")
@click.option(
    "--duration", metavar="TIME", required=True, callback=duration, help="15m to 1w: 900s, 60m, 2d, 1w."
)
@where_options
@table_options
def assume_role(
    where: Where, table: TableOptions, access_key: str, secret_key: str | None, policy_file: str | None,
    duration: int,
) -> None:
    """Print temporary credentials of an S3 user: Access-Key, Secret-Key, Session-Token."""
    body = _policy_body(policy_file)
    secret = read_secret(secret_key, "Secret key")
    body |= {"access_key": access_key, "secret_key": secret, "duration": duration}
    with session(where, anonymous=True) as reached:
        issued = reached.ask("POST", place("s3", "sts"), body, file=policy_file)
    _print_keys(issued, _TITLES, table)


def _print_keys(issued: dict[str, Any], titles: tuple[tuple[str, str], ...], table: TableOptions) -> None:
    """The documented lines, or the same as a record."""
    if table.asked:
        print_table([name for _, name in titles], [issued], table)
        return
    for title, name in titles:
        click.echo(f"{title}: {issued[name]}")


def _policy_body(path: str | None) -> dict[str, Any]:
    return {} if path is None else {"policy_file_content": read_policy(path)}
