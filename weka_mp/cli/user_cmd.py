"""``weka-mp user``."""

from __future__ import annotations

import os
from typing import Any

import click

from weka_mp.cli import kept_login
from weka_mp.cli.administration import Where, login_path, place, session, where_options, whereabouts
from weka_mp.cli.moments import duration_or_seconds
from weka_mp.cli.refusals import Refusal
from weka_mp.cli.secret_input import read_line, read_secret
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.identity import Role

__all__ = ["command"]

_COLUMNS = (
    "username", "role", "account", "posix_uid", "posix_gid", "posix_groups", "s3_policy", "iam_policies",
)
_MISSING = "weka-mp user list shows who there is"
_role = click.Choice([role.value for role in Role], case_sensitive=False)
_uid = click.option("--posix-uid", type=int, metavar="UID", help="Owner of what an s3 user makes.")
_gid = click.option("--posix-gid", type=int, metavar="GID", help="Its group.")


def _numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> list[int] | None:
    try:
        return None if value is None else [int(word) for word in value.split(",") if word]
    except ValueError:
        raise click.BadParameter("GID[,GID...] is wanted", context, parameter) from None


_groups = click.option(
    "--posix-groups", metavar="GID[,...]", callback=_numbers,
    help="Further groups by which modes and ACLs judge it; '' for none.",
)


@click.group("user", invoke_without_command=True, short_help="Users of S3 and of administration.")
@where_options
@table_options
@click.pass_context
def command(context: click.Context, /, where: Where, table: TableOptions) -> None:
    """Users of S3 and of administration (docs/ADMINISTRATION.md); without a word they are listed.

    A password is never needed on the command line: leave it out to be asked for it, or to have it read from
    standard input.
    """
    if context.invoked_subcommand is None:
        _list(where, table)


def _list(where: Where, table: TableOptions) -> None:
    with session(where) as reached:
        print_table(_COLUMNS, reached.ask("GET", place("users")), table)


@command.command("add")
@click.argument("name")
@click.argument("role", type=_role)
@click.argument("password", metavar="[PASSWORD|-]", required=False)
@_uid
@_gid
@_groups
@click.option(
    "--account", metavar="ACCOUNT", help="Whose user it is; made when it is missing. [default: root]"
)
@click.option("--display-name", metavar="TEXT", help="What the account is called.")
@click.option("--email", metavar="ADDRESS", help="The account's e-mail address.")
@where_options
def add(where: Where, name: str, password: str | None, **given: Any) -> None:
    """Add the user NAME. For the role s3, NAME is the access key and the password the secret key.

    An S3 user without a policy may do nothing: see weka-mp s3 policy attach.
    """
    secret = read_secret(password, "Password", confirm=True)
    body = {"username": name, "password": secret, **_given(given)}
    with session(where) as reached:
        reached.ask("POST", place("users"), body)


@command.command("update")
@click.argument("name")
@click.option("--role", type=_role, help="Another role ends all that the user gave out.")
@_uid
@_gid
@_groups
@where_options
def update(where: Where, name: str, **given: Any) -> None:
    """Change a user's role, uid, gid or groups."""
    body = _given(given)
    if not body:
        raise click.UsageError("nothing to change: give --role, --posix-uid, --posix-gid or --posix-groups")
    with session(where) as reached:
        reached.ask("PUT", place("users", name), body, missing=_MISSING)


@command.command("passwd")
@click.argument("password", metavar="[PASSWORD|-]", required=False)
@click.option("--username", metavar="NAME", help="Whose; your own when left out.")
@where_options
def passwd(where: Where, password: str | None, username: str | None) -> None:
    """Set another password. Ends the user's tokens and temporary credentials, too."""
    secret = read_secret(password, "New password", confirm=True)
    path = place("login", "password") if username is None else place("users", username, "password")
    with session(where) as reached:
        reached.ask("PUT", path, {"password": secret}, missing=_MISSING)


@command.command("delete")
@click.argument("name")
@where_options
def delete(where: Where, name: str) -> None:
    """Delete a user, with its service accounts and temporary credentials."""
    with session(where) as reached:
        reached.ask("DELETE", place("users", name), missing=_MISSING)


@command.command("list")
@where_options
@table_options
def list_(where: Where, table: TableOptions) -> None:
    """List the users."""
    _list(where, table)


@command.command("whoami")
@where_options
@table_options
def whoami(where: Where, table: TableOptions) -> None:
    """Say who the command acts as."""
    with session(where) as reached:
        print_table(_COLUMNS, [reached.ask("GET", place("users", "whoami"))], table)


@command.command("revoke-tokens")
@click.argument("name", required=False)
@where_options
def revoke_tokens(where: Where, name: str | None) -> None:
    """End all tokens and temporary credentials of a user, or your own."""
    path = place("login", "tokens") if name is None else place("users", name, "tokens")
    with session(where) as reached:
        reached.ask("DELETE", path, missing=_MISSING)


@command.command("login")
@click.argument("name", metavar="[USERNAME]", required=False)
@click.argument("password", metavar="[PASSWORD|-]", required=False)
@click.option("--path", metavar="FILE", help="Where to keep it; WEKA_MP_TOKEN=/FILE names it to commands.")
@where_options
@table_options
def login(
    where: Where, table: TableOptions, name: str | None, password: str | None, path: str | None
) -> None:
    """Log in: later commands to the same service or store act as USERNAME, until logout.

    Without USERNAME it is who WEKA_MP_USERNAME and WEKA_MP_PASSWORD say, or is asked for. With -J the tokens
    are printed, and nothing is kept.
    """
    if name is None:
        password = os.environ.get("WEKA_MP_PASSWORD")
        name = os.environ.get("WEKA_MP_USERNAME") or read_line("Username")
    body = {"username": name, "password": read_secret(password, f"Password of {name}")}
    with session(where, anonymous=True) as reached:
        answer = reached.ask("POST", place("login"), body)
    if table.asked:
        print_table(("access_token", "refresh_token", "token_type", "expires_in"), [answer], table)
        return
    file = path or login_path()
    kept_login.keep(file, whereabouts(where), answer["refresh_token"])
    click.echo(f"logged in as {name}: {file}")


@command.command("logout")
@click.option("--path", metavar="FILE", help="As of login.")
def logout(path: str | None) -> None:
    """Forget who logged in. Tokens stay good until they expire: weka-mp user revoke-tokens ends them."""
    file = path or login_path()
    if not kept_login.forget(file):
        raise Refusal(f"{file}: nobody is logged in")


@command.command("generate-token")
@click.option(
    "--access-token-timeout", metavar="TIME", callback=duration_or_seconds,
    help="How long it lives: 12h, 2d, 1w, or seconds. [default: 30d]",
)
@where_options
def generate_token(where: Where, access_token_timeout: int | None) -> None:
    """Print a token for WEKA_MP_TOKEN, of the user who asks."""
    with session(where) as reached:
        body = _given({"access_token_timeout": access_token_timeout})
        click.echo(reached.ask("POST", place("login", "tokens"), body)["access_token"])


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
