"""``weka-mp s3 cluster`` and ``weka-mp s3 log-level``."""

from __future__ import annotations

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.refusals import Refusal
from weka_mp.cli.secret_input import read_secret
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.control.cluster_verbs import LOG_LEVELS
from weka_mp.control.not_built import NOT_BUILT

__all__ = ["cluster", "log_level"]

_WEBHOOK_COLUMNS = ("enabled", "endpoint", "auth_token")
_COLUMNS = ("name", "hostname", "status", "restarts")


@click.group("cluster", invoke_without_command=True)
@where_options
@table_options
@click.pass_context
def cluster(context: click.Context, /, where: Where, table: TableOptions) -> None:
    """The S3 service as a whole; without a word what `status` says."""
    if context.invoked_subcommand is None:
        _show(where, table)


@cluster.command("status")
@where_options
@table_options
def status(where: Where, table: TableOptions) -> None:
    """Show each worker that serves S3, and whether it is ready. A stopped service has none."""
    _show(where, table)


def _show(where: Where, table: TableOptions) -> None:
    with session(where) as reached:
        print_table(_COLUMNS, reached.ask("GET", place("s3"))["containers"], table)


@cluster.group("audit-webhook")
def audit_webhook() -> None:
    """Where an event of every S3 call is sent (docs/ADMINISTRATION.md, "Audit")."""


@audit_webhook.command("enable")
@click.option("--endpoint", required=True, metavar="URL", help="The webhook: an http or https URL.")
@click.option(
    "--auth-token", metavar="TOKEN",
    help="The Authorization header's value, such as 'Splunk TOKEN'; asked for when absent, - is standard"
    " input.",
)
@click.option("--verify", is_flag=True, help="Send it one event first, and enable it only if that is taken.")
@where_options
def enable(where: Where, endpoint: str, auth_token: str | None, verify: bool) -> None:
    """Send events there from now on, in place of any other webhook."""
    token = read_secret(auth_token, "Token of the webhook")
    body: dict[str, object] = {"endpoint": endpoint, "auth_token": token, "verify": verify}
    with session(where) as reached:
        reached.ask("POST", place("s3", "auditWebhook", "enable"), body)


@audit_webhook.command("disable")
@where_options
def disable(where: Where) -> None:
    """Send no more events; what could not be delivered yet waits for the next webhook."""
    with session(where) as reached:
        reached.ask("POST", place("s3", "auditWebhook", "disable"))


@audit_webhook.command("show")
@where_options
@table_options
def show(where: Where, table: TableOptions) -> None:
    """Show it; never the token."""
    with session(where) as reached:
        print_table(_WEBHOOK_COLUMNS, [reached.ask("GET", place("s3", "auditWebhook"))], table)


@click.group("log-level")
def log_level() -> None:
    """How much the running service logs, until it stops: its option --log-level is for its start."""


@log_level.command("get")
@where_options
@table_options
def get_level(where: Where, table: TableOptions) -> None:
    """Show the least severe level that is logged now."""
    with session(where) as reached:
        print_table(("level",), [reached.ask("GET", place("s3", "debug"))], table)


@log_level.command("set")
@click.argument("level", type=click.Choice(LOG_LEVELS, case_sensitive=False))
@where_options
def set_level(level: str, where: Where) -> None:
    """Log this level and what is more severe, in every process of the service."""
    with session(where) as reached:
        reached.ask("POST", place("s3", "debug"), {"level": level.lower()})


def _refused(name: str, method: str, path: str) -> click.Command:
    """A command of WEKA's that has no business here: whatever is said with it, the reason is the answer."""
    reason = NOT_BUILT[(method, path)]

    @click.command(name, help=f"Not here: {reason}.", context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def command(words: tuple[str, ...]) -> None:
        raise Refusal(f"there is no {name}: {reason}")

    return command


for _name, _method, _path in (
    ("create", "POST", "/s3"), ("add", "POST", "/s3"), ("update", "PUT", "/s3"),
    ("destroy", "DELETE", "/s3"), ("remove", "DELETE", "/s3"), ("containers", "POST", "/s3/containers"),
):  # fmt: skip
    cluster.add_command(_refused(_name, _method, _path))
