"""``weka-mp s3 bucket``."""

from __future__ import annotations

import json
from typing import Any

import click

from weka_mp.cli.administration import Session, Where, place, session, where_options
from weka_mp.cli.policy_files import read_policy
from weka_mp.cli.refusals import Refusal
from weka_mp.cli.s3_inventory import inventory
from weka_mp.cli.s3_lifecycle import lifecycle_rule
from weka_mp.cli.tables import TableOptions, print_table, table_options
from weka_mp.policy.canned import BUCKET_POLICIES, NONE

__all__ = ["bucket"]

_COLUMNS = ("name", "hard", "used", "path", "source", "versioning", "object-lock")
_MISSING = "weka-mp s3 bucket list shows what there is"
_SWITCH = ("on", "off", "default")
_NAMES = (NONE, *BUCKET_POLICIES)


@click.group("bucket")
def bucket() -> None:
    """Buckets, what they grant to everybody or to somebody, and how long they keep objects."""


bucket.add_command(inventory)
bucket.add_command(lifecycle_rule)


@bucket.command("create")
@click.argument("name")
@click.option(
    "--policy", "canned", type=click.Choice(_NAMES), help="What everybody may do with it. [default: none]"
)
@click.option("--policy-json", "file", metavar="FILE", help="A custom policy, instead.")
@click.option("--hard-quota", metavar="CAPACITY", help="How much it may hold, such as 100GB or 1TiB.")
@click.option(
    "--existing-path", metavar="PATH",
    help="Make it of the directory that is there, with what is in it: NAME, at the root of the store.",
)
@click.option(
    "--fs-name", type=click.Choice(["default"]), default="default", help="The file system: there is one."
)
@where_options
def create(
    where: Where, name: str, canned: str | None, file: str | None, hard_quota: str | None,
    existing_path: str | None, fs_name: str,
) -> None:
    """Make the bucket NAME. It belongs to the account of who makes it."""
    if canned is not None and file is not None:
        raise click.UsageError("give --policy or --policy-json, not both")
    body: dict[str, Any] = {"bucket_name": name}
    if canned is not None:
        body["policy"] = canned
    if file is not None:
        body["policy_file_content"] = read_policy(file)
    if hard_quota is not None:
        body["hard_quota"] = hard_quota
    if existing_path is not None:
        body["existing_path"] = existing_path
    with session(where) as reached:
        reached.ask("POST", place("s3", "buckets"), body, file=file)


@bucket.command("list")
@where_options
@table_options
def list_(where: Where, table: TableOptions) -> None:
    """List the buckets of all accounts that you administrate."""
    with session(where) as reached:
        print_table(_COLUMNS, reached.ask("GET", place("s3", "buckets")), table)


@bucket.command("destroy")
@click.argument("name")
@click.option("--unlink", is_flag=True, help="Keep what is in it, as a directory that is no bucket.")
@where_options
def destroy(where: Where, name: str, unlink: bool) -> None:
    """Remove the bucket NAME, which must be empty."""
    with session(where) as reached:
        reached.ask("DELETE", place("s3", "buckets", name), {"unlink": unlink}, missing=_MISSING)


@bucket.command("posix")
@click.argument("name", metavar="BUCKET")
@click.argument("word", metavar="[on|off|default]", required=False, type=click.Choice(_SWITCH))
@where_options
def posix(where: Where, name: str, word: str | None) -> None:
    """Say whether modes and ACLs bind S3 users in BUCKET, or set it. default: as the service was told
    (--posix-permissions).
    """
    _switch(where, place("s3", "buckets", name, "posixPermissions"), "posix_permissions", word)


@bucket.command("mount-versions")
@click.argument("name", metavar="BUCKET")
@click.argument("word", metavar="[on|off|default]", required=False, type=click.Choice(_SWITCH))
@where_options
def mount_versions(where: Where, name: str, word: str | None) -> None:
    """Say whether what is replaced or removed on mounts in BUCKET becomes a version, where the bucket has
    versions, or set it. default: as the service was told (--mount-versions).
    """
    _switch(where, place("s3", "buckets", name, "mountVersions"), "mount_versions", word)


def _switch(where: Where, path: str, field: str, word: str | None) -> None:
    with session(where) as reached:
        if word is None:
            click.echo(reached.ask("GET", path, missing=_MISSING)[field])
        else:
            reached.ask("PUT", path, {field: word}, missing=_MISSING)


@bucket.group("quota")
def quota() -> None:
    """How much a bucket may hold, whichever door it comes through."""


@quota.command("set")
@click.argument("name", metavar="BUCKET")
@click.argument("capacity", metavar="HARD-QUOTA")
@where_options
def set_quota(where: Where, name: str, capacity: str) -> None:
    """Let BUCKET hold HARD-QUOTA, such as 100GB or 1TiB. The first time it must be empty."""
    with session(where) as reached:
        body = {"hard_quota": capacity}
        reached.ask("PUT", place("s3", "buckets", name, "quota"), body, missing=_MISSING)


@quota.command("unset")
@click.argument("name", metavar="BUCKET")
@where_options
def unset_quota(where: Where, name: str) -> None:
    """Let BUCKET hold as much as there is room for. A bucket without a quota is no error."""
    with session(where) as reached:
        reached.ask("DELETE", place("s3", "buckets", name, "quota"), missing=_MISSING)


@bucket.group("policy")
def policy() -> None:
    """What a bucket grants: none, download, upload, public, or a custom policy."""


@policy.command("set")
@click.argument("words", metavar="BUCKET POLICY", nargs=2)
@where_options
def set_(where: Where, words: tuple[str, str]) -> None:
    """Give BUCKET the policy none, download, upload or public. The two words may come in either order."""
    with session(where) as reached:
        name, canned = _ordered(reached, *words)
        if canned not in _NAMES:
            raise click.UsageError(f"no policy {canned!r}; there are {', '.join(_NAMES)}")
        body = {"bucket_policy": canned}
        reached.ask("PUT", place("s3", "buckets", name, "policy"), body, missing=_MISSING)


def _ordered(reached: Session, first: str, second: str) -> tuple[str, str]:
    """The bucket, then the policy: whichever is a bucket is that; when both are, the first is. Raises
    Refusal.
    """
    there = {row["name"] for row in reached.ask("GET", place("s3", "buckets"))}
    if first in there:
        return first, second
    if second in there:
        return second, first
    raise Refusal(f"neither {first!r} nor {second!r} is a bucket ({_MISSING})")


@policy.command("set-custom")
@click.argument("name", metavar="BUCKET")
@click.argument("file", metavar="POLICY-FILE")
@where_options
def set_custom(where: Where, name: str, file: str) -> None:
    """Give BUCKET the policy that POLICY-FILE holds."""
    body = {"policy_file_content": read_policy(file)}
    with session(where) as reached:
        reached.ask("PUT", place("s3", "buckets", name, "policyJson"), body, missing=_MISSING, file=file)


@policy.command("get")
@click.argument("name", metavar="BUCKET")
@where_options
@table_options
def get(where: Where, table: TableOptions, name: str) -> None:
    """Print the name of the policy of BUCKET; custom: any that has no name."""
    with session(where) as reached:
        found = reached.ask("GET", place("s3", "buckets", name, "policy"), missing=_MISSING)
    if table.asked:
        print_table(("bucket_name", "policy"), [found], table)
    else:
        click.echo(found["policy"])


@policy.command("get-json")
@click.argument("name", metavar="BUCKET")
@where_options
def get_json(where: Where, name: str) -> None:
    """Print the policy of BUCKET as JSON."""
    with session(where) as reached:
        found = reached.ask("GET", place("s3", "buckets", name, "policyJson"))
    click.echo(json.dumps(found["policy_content"], indent=2))


@policy.command("unset")
@click.argument("name", metavar="BUCKET")
@where_options
def unset(where: Where, name: str) -> None:
    """Take the policy of BUCKET away. A bucket without one is no error."""
    with session(where) as reached:
        reached.ask("PUT", place("s3", "buckets", name, "policy"), {"bucket_policy": NONE}, missing=_MISSING)


# The system's later documents call some so.
bucket.add_command(create, "add")
bucket.add_command(destroy, "remove")
quota.add_command(unset_quota, "reset")
policy.add_command(unset, "reset")
