"""``weka-mp security``."""

from __future__ import annotations

from typing import Any

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.moments import duration_or_seconds
from weka_mp.cli.refusals import Refusal
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["command"]

_COLUMNS = ("failed_attempts", "lockout_duration")
_TLS_COLUMNS = (
    "serving", "source", "subject", "issuer", "names", "not_before", "not_after", "fingerprint",
)  # fmt: skip


@click.group("security", short_help="Rules of administration's security.")
def command() -> None:
    """Rules of administration's security (docs/ADMINISTRATION.md)."""


@command.group("lockout-config")
def lockout_config() -> None:
    """How many failed logins lock a user out, and for how long."""


@lockout_config.command("set")
@click.option("--failed-attempts", type=int, metavar="N", help="So many failed logins; 1 to 1000.")
@click.option(
    "--lockout-duration", metavar="TIME", callback=duration_or_seconds,
    help="Seconds, or 90s, 2m, 1h; a day at most.",
)
@where_options
def set_(where: Where, **given: Any) -> None:
    """Change the rule; what is not given stays."""
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise click.UsageError("nothing to change: give --failed-attempts or --lockout-duration")
    with session(where) as reached:
        reached.ask("PUT", place("lockoutConfig"), body)


@lockout_config.command("show")
@where_options
@table_options
def show(where: Where, table: TableOptions) -> None:
    """Show the rule: failed logins, and seconds."""
    with session(where) as reached:
        print_table(_COLUMNS, [reached.ask("GET", place("lockoutConfig"))], table)


@lockout_config.command("reset")
@where_options
def reset(where: Where) -> None:
    """Back to the default: 5 failed logins, 2 minutes."""
    with session(where) as reached:
        reached.ask("DELETE", place("lockoutConfig"))


@command.group("tls")
def tls() -> None:
    """The certificate of the S3 endpoint and of administration (docs/CONFIGURATION.md, "TLS")."""


@tls.command("set")
@click.option("--private-key", required=True, metavar="FILE", help="The key, in unencrypted PEM.")
@click.option("--certificate", required=True, metavar="FILE", help="The certificate and its chain, in PEM.")
@where_options
def set_tls(where: Where, private_key: str, certificate: str) -> None:
    """Show clients this certificate, from the next handshake on; connections that are open stay."""
    body = {"private_key": _read_pem(private_key), "certificate": _read_pem(certificate)}
    with session(where) as reached:
        answer = reached.ask("PUT", place("tls"), body)
    if answer["serving"] is False:
        click.echo("The service speaks plain HTTP: start it with --tls on to use the certificate.", err=True)


@tls.command("unset")
@where_options
def unset_tls(where: Where) -> None:
    """Back to the self-signed certificate."""
    with session(where) as reached:
        reached.ask("DELETE", place("tls"))


@tls.command("download")
@click.option("--path", required=True, metavar="FILE", help="Where to write it; - is standard output.")
@where_options
def download_tls(where: Where, path: str) -> None:
    """Write the certificate, for clients that are to trust it; never the key."""
    with session(where) as reached:
        text = str(reached.ask("GET", place("tls", "certificate"))["certificate"])
    try:
        with click.open_file(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error


@tls.command("status")
@where_options
@table_options
def tls_status(where: Where, table: TableOptions) -> None:
    """Show which certificate clients get, and whether the service speaks TLS."""
    with session(where) as reached:
        answer = reached.ask("GET", place("tls"))
    print_table(_TLS_COLUMNS, [{**dict.fromkeys(_TLS_COLUMNS), **answer}], table)  # there may be none


def _read_pem(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise Refusal(f"{path}: not PEM") from None
