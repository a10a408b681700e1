"""``weka-mp s3 policy``."""

from __future__ import annotations

import json

import click

from weka_mp.cli.administration import Where, place, session, where_options
from weka_mp.cli.policy_files import read_policy
from weka_mp.cli.tables import TableOptions, print_table, table_options

__all__ = ["policy"]

_COLUMNS = ("policy", "kind", "account")
_USER_COLUMNS = ("user_name", "policy_name", "all_policies")
_MISSING = "weka-mp s3 policy list shows the policies, weka-mp user list the users"


@click.group("policy")
def policy() -> None:
    """Policies of S3 users: readonly, writeonly, readwrite, and custom ones."""


@policy.command("list")
@click.option("--users", is_flag=True, help="List who has which, instead.")
@where_options
@table_options
def list_(where: Where, users: bool, table: TableOptions) -> None:
    """List the predefined and the custom policies."""
    with session(where) as reached:
        if users:
            print_table(_USER_COLUMNS, reached.ask("GET", place("s3", "userPolicies")), table)
        else:
            print_table(_COLUMNS, reached.ask("GET", place("s3", "policies")), table)


@policy.command("show")
@click.argument("name")
@where_options
def show(where: Where, name: str) -> None:
    """Print the policy NAME as JSON."""
    with session(where) as reached:
        found = reached.ask("GET", place("s3", "policies", name), missing=_MISSING)
    click.echo(json.dumps(found["policy_content"], indent=2))


def _create(where: Where, name: str, file: str) -> None:
    """Make the custom policy NAME of what FILE holds. create and add are the same."""
    body = {"policy_name": name, "policy_file_content": read_policy(file)}
    with session(where) as reached:
        reached.ask("POST", place("s3", "policies"), body, file=file)


for _verb in ("create", "add"):
    _adding = where_options(_create)
    for _argument in (click.argument("file", metavar="POLICY-FILE"), click.argument("name")):
        _adding = _argument(_adding)
    policy.command(_verb)(_adding)


@policy.command("remove")
@click.argument("name")
@where_options
def remove(where: Where, name: str) -> None:
    """Remove a custom policy. One that is attached is kept."""
    with session(where) as reached:
        reached.ask("DELETE", place("s3", "policies", name), missing=_MISSING)


@policy.command("attach")
@click.argument("name", metavar="POLICY")
@click.argument("user")
@where_options
def attach(where: Where, name: str, user: str) -> None:
    """Give USER the policy POLICY. It replaces the one attached before, which is printed."""
    body = {"policy_name": name, "user_name": user}
    with session(where) as reached:
        done = reached.ask("POST", place("s3", "policies", "attach"), body, missing=_MISSING)
    former = done["former_policy"]
    click.echo(f"{user}: {name}" + (f" (formerly {former})" if former not in (None, name) else ""))


@policy.command("detach")
@click.argument("words", metavar="[POLICY] USER", nargs=-1, required=True)
@where_options
def detach(where: Where, words: tuple[str, ...]) -> None:
    """Take the attached policy of USER away: POLICY, when it is named, or whichever it is."""
    if len(words) > 2:
        raise click.UsageError("detach USER, or detach POLICY USER")
    body = {"user_name": words[-1], **({"policy_name": words[0]} if len(words) == 2 else {})}
    with session(where) as reached:
        done = reached.ask("POST", place("s3", "policies", "detach"), body, missing=_MISSING)
    click.echo(f"{words[-1]}: no policy (formerly {done['policy_name']})")
