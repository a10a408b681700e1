"""``weka-mp smb share`` and ``weka-mp smb user``."""

from __future__ import annotations

from typing import Any

import click

from weka_mp.cli import reexports, smb_users
from weka_mp.cli.secret_input import read_secret
from weka_mp.cli.settings import store_of
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["command"]

_COLUMNS = ("name", "path", "access", "users", "guest", "force_user")
_USER_COLUMNS = ("name", "uid")
_store = click.option("--store", metavar="STORE", help="The store. [WEKA_MP_STORE]")


@click.group("smb", short_help="Hand the mount out over SMB.")
def command() -> None:
    """Hand the mount out over SMB, by Samba (docs/REEXPORT.md)."""


@command.group("share")
def share() -> None:
    """Directories that SMB clients may use. They are kept in the store and outlive the service."""


@share.command("add")
@click.argument("name")
@click.argument("path")
@click.option("--access", type=click.Choice(["rw", "ro"]), default="rw", show_default=True)
@click.option("--users", metavar="A[,B...]", help="Who may use it; by default every SMB user.")
@click.option("--guest", is_flag=True, help="Let everybody in, without a password, as the account nobody.")
@click.option("--force-user", metavar="ACCOUNT", help="Do everything in the name of this account.")
@_store
@table_options
@click.pass_context
def add(
    context: click.Context, /, name: str, path: str, store: str | None, table: TableOptions, **given: Any
) -> None:
    """Share PATH as NAME: a directory of the store (BUCKET/FOLDER, . for all of it), or one below a mount
    point.
    """
    given["users"] = [user for user in (given["users"] or "").split(",") if user]
    named = store_of(context, store)
    asked = {"name": name, "path": reexports.path_in_store(named, path), **given}
    added, served = reexports.add(named, "share", asked)
    if not served:
        click.echo("weka-mp: recorded; the next service serves it", err=True)
    print_table(_COLUMNS, [added], table)


@share.command("list")
@_store
@table_options
@click.pass_context
def list_(context: click.Context, store: str | None, table: TableOptions) -> None:
    """List the shares."""
    print_table(_COLUMNS, reexports.listed(store_of(context, store), "share"), table)


@share.command("remove")
@click.argument("name")
@_store
@click.pass_context
def remove(context: click.Context, name: str, store: str | None) -> None:
    """Take a share away; clients that use it are disconnected."""
    reexports.remove(store_of(context, store), "share", name)


@command.group("user")
def user() -> None:
    """Passwords of SMB users. Each is an account of this machine, whose uid and groups it has.

    They are kept outside the store, in the state directory of this machine.
    """


@user.command("add")
@click.argument("name")
@click.argument("password", metavar="[-]", required=False)
@_store
@click.pass_context
def add_user(context: click.Context, name: str, password: str | None, store: str | None) -> None:
    """Give the account NAME an SMB password, or another one: asked for, or read from standard input (-)."""
    if password not in (None, "-"):
        raise click.UsageError("everybody sees a password on the command line: leave it out, or give -")
    named = store_of(context, store)
    smb_users.check(name)
    smb_users.set_password(named, name, read_secret(password, "Password", confirm=True))


@user.command("list")
@_store
@table_options
@click.pass_context
def list_users(context: click.Context, store: str | None, table: TableOptions) -> None:
    """List the accounts that have an SMB password."""
    print_table(_USER_COLUMNS, smb_users.listed(store_of(context, store)), table)


@user.command("remove")
@click.argument("name")
@_store
@click.pass_context
def remove_user(context: click.Context, name: str, store: str | None) -> None:
    """Take the SMB password of NAME away; the account itself stays."""
    smb_users.remove(store_of(context, store), name)
