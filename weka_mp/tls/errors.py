"""What can be wrong with certificates; no message holds anything of a key."""

from __future__ import annotations

__all__ = ["TlsError"]


class TlsError(Exception):
    """A certificate, key or list of authorities cannot be used; the message is one line for the user."""
