"""The password rule, and comparing in constant time. A user's password is also the S3 secret key."""

from __future__ import annotations

import hmac
import re
from typing import Final

from weka_mp.identity.errors import InvalidInput

__all__ = ["check_password", "same_secret"]

_MIN: Final = 8
_MAX: Final = 128
_PRINTABLE: Final = re.compile(r"[!-~]*")  # what a credentials file and a header carry without quoting


def check_password(password: str) -> None:
    """At least 8 characters, an upper-case and a lower-case letter, a digit or special character; printable
    ASCII without spaces, at most 128. Raises InvalidInput, which does not show it.
    """
    if not _MIN <= len(password) <= _MAX:
        raise InvalidInput(f"a password has {_MIN} to {_MAX} characters")
    if not _PRINTABLE.fullmatch(password):
        raise InvalidInput("a password has printable ASCII characters only, and no spaces")
    has_upper = any(char.isupper() for char in password)
    has_lower = any(char.islower() for char in password)
    if not (has_upper and has_lower and any(not char.isalpha() for char in password)):
        raise InvalidInput(
            "a password needs an upper-case letter, a lower-case letter, and a digit or special character"
        )


def same_secret(one: str, other: str) -> bool:
    """Compares without telling by its time where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
