"""What can go wrong with identities, by meaning; knows no protocol. No message holds a secret.

The names follow the error codes of AWS's IAM and STS where there is one (in brackets), so that a view maps
them in one table.
"""

from __future__ import annotations

__all__ = [
    "CredentialExpired",
    "EntityExists",
    "IdentityError",
    "IdentityUnusable",
    "InUse",
    "InvalidInput",
    "LimitExceeded",
    "LockedOut",
    "LoginRefused",
    "NoSuchEntity",
    "NotAllowed",
    "TokenRefused",
    "Unmodifiable",
]


class IdentityError(Exception):
    """Base of all of them; the message is one line for the user."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__class__.__doc__ or self.__class__.__name__)


class NoSuchEntity(IdentityError):
    """There is no such account, user, group, policy or key. (NoSuchEntity)"""


class EntityExists(IdentityError):
    """The name is taken. (EntityAlreadyExists)"""


class InvalidInput(IdentityError):
    """A name, number or password is not legal. (ValidationError)"""


class LimitExceeded(IdentityError):
    """There are as many already as there may be. (LimitExceeded)"""


class InUse(IdentityError):
    """What is to be removed is still attached or has members. (DeleteConflict)"""


class Unmodifiable(IdentityError):
    """It is predefined or built in. (UnmodifiableEntity)"""


class NotAllowed(IdentityError):
    """Whoever asks is not somebody who can have this. (AccessDenied)"""


class CredentialExpired(IdentityError):
    """The temporary credentials have expired. (ExpiredToken)"""


class TokenRefused(IdentityError):
    """The token was not made here, is damaged, revoked, or was made for something else. (InvalidToken)"""


class LoginRefused(IdentityError):
    """Wrong user name or password."""


class LockedOut(IdentityError):
    """Too many failed logins. `seconds`: until the next one is looked at."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many failed logins: try again in {seconds} s")
        self.seconds = seconds


class IdentityUnusable(IdentityError):
    """A record is damaged or newer, or its key is missing: nobody is let in and nothing is overwritten."""
