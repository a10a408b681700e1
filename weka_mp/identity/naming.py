"""Names of accounts, users, groups and policies; generated keys, ids and ARNs."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from weka_mp.clock import RandomSource
from weka_mp.identity.errors import InvalidInput

__all__ = [
    "ROOT",
    "ROOT_CANONICAL_ID",
    "SERVICE_PREFIX",
    "TEMPORARY_PREFIX",
    "account_number",
    "canonical_id",
    "check_account_name",
    "check_group_name",
    "check_path",
    "check_policy_name",
    "check_user_name",
    "entity_arn",
    "generated_kind",
    "new_access_key",
    "new_secret",
    "new_serial",
    "unique_id",
]

ROOT: Final = "root"
"""The first account, and in it the user whose keys are kept outside the store."""

ROOT_CANONICAL_ID: Final = "0" * 63 + "1"

SERVICE_PREFIX: Final = "AKIA"
TEMPORARY_PREFIX: Final = "ASIA"
"""How AWS marks the keys of temporary credentials (IAM user guide, "Unique identifiers")."""

_SUFFIX: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_GENERATED: Final = re.compile(rf"({SERVICE_PREFIX}|{TEMPORARY_PREFIX})[{_SUFFIX}]{{16}}")

# A user's name is an access key: no slash, comma or equals sign, since it stands in the Credential field of
# an Authorization header. It does not begin with a dash, which the command line would take for an option.
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_ENTITY: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}")  # of IAM's groups and policies


def check_user_name(name: str) -> None:
    """Raises InvalidInput."""
    if not _USER.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not a user name: 1 to 64 letters, digits or . _ @ + -,"
            " the first a letter, digit or _"
        )


def check_account_name(name: str) -> None:
    """Raises InvalidInput."""
    if not _ACCOUNT.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not the name of an account: 1 to 64 letters, digits or . _ -,"
            " the first a letter, digit or _"
        )


def check_group_name(name: str) -> None:
    """Raises InvalidInput."""
    if not _ENTITY.fullmatch(name):
        raise InvalidInput(f"{name!r} is not the name of a group: 1 to 128 letters, digits or + = , . @ _ -")


_PATH: Final = re.compile(r"/|/[!-~]{1,510}/")


def check_policy_name(name: str) -> None:
    """Raises InvalidInput."""
    if not _ENTITY.fullmatch(name):
        raise InvalidInput(f"{name!r} is not the name of a policy: 1 to 128 letters, digits or + = , . @ _ -")


def canonical_id(store_id: str, account: str) -> str:
    """The canonical user id of an account: 64 hex digits of which the last 12 are decimal.

    That of `root` is 0…01. Others: the SHA-256 of ``weka_mp account <store id> <name>``, its first 52 hex
    digits and then the rest of it as a number, modulo 10^12. So the id needs no record, and is the same after
    an account was removed and made again.
    """
    if account == ROOT:
        return ROOT_CANONICAL_ID
    digest = hashlib.sha256(f"weka_mp account {store_id} {account}".encode()).hexdigest()
    return f"{digest[:52]}{int(digest[52:], 16) % 10**12:012}"


def account_number(canonical: str) -> str:
    """The 12 digits by which ARNs name the account."""
    return canonical[-12:]


def check_path(path: str) -> None:
    """A path of IAM: ``/``, or text that begins and ends with one. Raises InvalidInput."""
    if not _PATH.fullmatch(path):
        raise InvalidInput(f"{path!r} is not a path: / or /…/, printable ASCII, 512 characters at most")


def entity_arn(number: str, kind: str, name: str) -> str:
    """kind: ``user``, ``group``, ``policy``; name: with its path before. The root user has an ARN without."""
    return f"arn:aws:iam::{number}:{ROOT}" if (kind, name) == ("user", ROOT) else (
        f"arn:aws:iam::{number}:{kind}/{name}"
    )  # fmt: skip


def unique_id(prefix: str, serial: int) -> str:
    """IAM's id of an entity, never that of an earlier one of the same name; prefix: AIDA user, AGPA group,
    ANPA policy.
    """
    number = int.from_bytes(hashlib.sha256(f"{prefix}{serial}".encode()).digest(), "big")
    return prefix + "".join(_SUFFIX[number >> (5 * place) & 31] for place in range(17))


def new_serial(random: RandomSource) -> int:
    """A number from 1 to 2^63 - 1 that nobody had before, and that no restored backup gives out again."""
    return (int(random.token(8), 16) >> 1) or 1


def new_access_key(prefix: str, random: RandomSource) -> str:
    """20 characters, as AWS's: the prefix and 80 random bits."""
    number = int(random.token(10), 16)
    return prefix + "".join(_SUFFIX[number >> (5 * place) & 31] for place in range(16))


def new_secret(random: RandomSource) -> str:
    """40 hex digits, 160 random bits."""
    return random.token(20)


def generated_kind(access_key: str) -> str | None:
    """The prefix of a key of the form that `new_access_key` makes, else None."""
    match = _GENERATED.fullmatch(access_key)
    return None if match is None else match[1]
