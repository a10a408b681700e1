"""``weka-mp nfs export``."""

from __future__ import annotations

from typing import Any

import click

from weka_mp.cli import reexports
from weka_mp.cli.settings import store_of
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.errors import InvalidArgument
from weka_mp.reexport.model import LOOPBACK, NOBODY, beyond_loopback

__all__ = ["command"]

_COLUMNS = ("export_id", "pseudo", "path", "access", "clients", "squash", "anon_uid", "anon_gid")
_store = click.option("--store", metavar="STORE", help="The store. [WEKA_MP_STORE]")


@click.group("nfs", short_help="Hand the mount out over NFS.")
def command() -> None:
    """Hand the mount out over NFSv4, by NFS-Ganesha (docs/REEXPORT.md)."""


@command.group("export")
def export() -> None:
    """Directories that NFS clients may mount. They are kept in the store and outlive the service."""


@export.command("add")
@click.argument("path")
@click.option("--pseudo", metavar="/NAME", help="What clients mount; by default /PATH, /weka for the store.")
@click.option("--access", type=click.Choice(["rw", "ro"]), default="rw", show_default=True)
@click.option(
    "--clients",
    metavar="A[,B...]",
    default=",".join(LOOPBACK),
    show_default=True,
    help="Addresses and networks that may mount it; * is everybody.",
)
@click.option(
    "--squash",
    type=click.Choice(["none", "root", "all"]),
    help="Whose uid clients are not believed. none where only this machine is a client; else to be named.",
)
@click.option("--anon-uid", type=int, default=NOBODY, show_default=True, help="Who they are instead.")
@click.option("--anon-gid", type=int, default=NOBODY, show_default=True)
@_store
@table_options
@click.pass_context
def add(context: click.Context, /, path: str, store: str | None, table: TableOptions, **given: Any) -> None:
    """Export PATH: a directory of the store (BUCKET/FOLDER, . for all of it), or one below a mount point.

    A client believes its own machine about who its users are; NFS here has no other proof. So clients other
    than this machine are named, and with them whose word is not taken.
    """
    given["clients"] = given["clients"].split(",")
    if given["squash"] is None:
        if _beyond_loopback(given["clients"]):
            raise click.UsageError("with clients beyond this machine --squash none|root|all is to be named")
        given["squash"] = "none"
    if given["pseudo"] is None:
        del given["pseudo"]
    named = store_of(context, store)
    asked = {"path": reexports.path_in_store(named, path), **given}
    added, served = reexports.add(named, "export", asked)
    if not served:
        click.echo("weka-mp: recorded; the next service serves it", err=True)
    print_table(_COLUMNS, [added], table)


def _beyond_loopback(clients: list[str]) -> bool:
    try:
        return beyond_loopback(clients)
    except (InvalidArgument, ValueError) as error:
        raise click.UsageError(f"--clients: {error}") from error


@export.command("list")
@_store
@table_options
@click.pass_context
def list_(context: click.Context, store: str | None, table: TableOptions) -> None:
    """List the exports."""
    print_table(_COLUMNS, reexports.listed(store_of(context, store), "export"), table)


@export.command("remove")
@click.argument("which", metavar="ID|PSEUDO")
@_store
@click.pass_context
def remove(context: click.Context, which: str, store: str | None) -> None:
    """Take an export away; clients that have it mounted get errors."""
    reexports.remove(store_of(context, store), "export", which)
