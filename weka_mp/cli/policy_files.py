"""Reads the file of a policy."""

from __future__ import annotations

from weka_mp.cli.refusals import Refusal
from weka_mp.identity.model import MAX_DOCUMENT_BYTES

__all__ = ["read_policy"]


def read_policy(path: str) -> str:
    """Its text; what it says is judged where it is added. Raises Refusal."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error
    if len(content) > MAX_DOCUMENT_BYTES:
        raise Refusal(f"{path}: longer than a policy may be ({MAX_DOCUMENT_BYTES} bytes)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal(f"{path}: not UTF-8 text") from None
