"""The root account's S3 credentials: from the environment, or generated once and kept outside the store."""

from __future__ import annotations

import configparser
import os
import re
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Final

from weka_mp.private_files import Exposed, create_private, read_private

__all__ = ["CredentialsError", "RootCredentials", "forget_secrets", "root_credentials"]

ACCESS_VARIABLE: Final = "WEKA_MP_ROOT_ACCESS_KEY"
SECRET_VARIABLE: Final = "WEKA_MP_ROOT_SECRET_KEY"
FILE_NAME: Final = "root-credentials"
_OF_COMMANDS: Final = ("WEKA_MP_PASSWORD", "WEKA_MP_TOKEN")  # which the same shell may have set

# No slash, comma or equals sign: the key stands in the Credential field of an Authorization header.
_ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9._@+-]{3,128}")
_SECRET_KEY: Final = re.compile(r"[!-~]{8,128}")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class CredentialsError(Exception):
    """There are no usable root credentials; the message is one line for the user and holds no secret."""


@dataclass(frozen=True, slots=True)
class RootCredentials:
    """`path` is the file they are kept in, None when they came from the environment."""

    access_key: str
    secret_key: str = field(repr=False)
    path: str | None


def root_credentials(directory: str, environ: Mapping[str, str]) -> RootCredentials:
    """From the two variables if both are set, else from `directory`, where they are made when absent.

    Raises CredentialsError: one variable without the other, a malformed key, an unreadable, malformed or
    unprotected file, or no place to keep them.
    """
    given = environ.get(ACCESS_VARIABLE), environ.get(SECRET_VARIABLE)
    if given != (None, None):
        return _from_environment(*given)
    path = os.path.join(directory, FILE_NAME)
    try:
        if not os.path.lexists(path):
            _create(path)
        return _read(path)
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from error


def forget_secrets(environ: MutableMapping[str, str]) -> None:
    """Take from the environment what is nobody else's business: every program that is started gets the rest,
    those of others too (NFS-Ganesha, Samba).
    """
    for name in (ACCESS_VARIABLE, SECRET_VARIABLE, *_OF_COMMANDS):
        environ.pop(name, None)


def _from_environment(access: str | None, secret: str | None) -> RootCredentials:
    if access is None or secret is None:
        missing = ACCESS_VARIABLE if access is None else SECRET_VARIABLE
        raise CredentialsError(f"{missing} is not set, but its counterpart is")
    return _checked(access, secret, None)


def _checked(access: str, secret: str, path: str | None) -> RootCredentials:
    source = path or "the environment"
    if not _ACCESS_KEY.fullmatch(access):
        raise CredentialsError(f"{source}: an access key is 3 to 128 letters, digits or . _ @ + -")
    if not _SECRET_KEY.fullmatch(secret):
        raise CredentialsError(f"{source}: a secret key is 8 to 128 printable characters without spaces")
    return RootCredentials(access, secret, path)


def _create(path: str) -> None:
    """Another process that was first wins."""
    access = "WEKA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
    text = (
        "# Root credentials of a weka_mp store, in the form of an AWS credentials file.\n"
        "[default]\n"
        f"aws_access_key_id = {access}\n"
        f"aws_secret_access_key = {secrets.token_hex(20)}\n"
    )
    create_private(path, text)


def _read(path: str) -> RootCredentials:
    try:
        text = read_private(path)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        section = parser["default"]
        return _checked(section["aws_access_key_id"], section["aws_secret_access_key"], path)
    except Exposed:
        raise CredentialsError(
            f"{path} can be read by others: chmod 600 it (and consider new keys)"
        ) from None
    except (configparser.Error, KeyError, UnicodeDecodeError):
        # The parser's own message would quote the line, secret included.
        raise CredentialsError(
            f"{path}: no aws_access_key_id and aws_secret_access_key under [default]"
        ) from None
