"""A place among the tokens of an expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.select.tokens import Kind, Token

__all__ = ["Cursor", "unexpected"]

_DEEPEST: Final = 64  # levels of brackets and operators in each other


def unexpected(token: Token) -> S3Error:
    """The error for a token that cannot stand there."""
    if token.kind is Kind.END:
        return S3Error("ParseUnexpectedToken", "The SQL expression ends unexpectedly.")
    return S3Error("ParseUnexpectedToken", f"Unexpected token found: {token.value[:64]!r}.")


class Cursor:
    """Reads tokens one after the other."""

    def __init__(self, found: Sequence[Token], at: int = 0) -> None:
        self._found = found
        self.at = at
        self._depth = 0

    @property
    def next(self) -> Token:
        return self._found[self.at]

    def take(self) -> Token:
        """The next token, which END stays."""
        token = self._found[self.at]
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def accept(self, *words: str) -> str | None:
        """The next token where it is one of these words or signs, which is taken then."""
        word = self.next.upper
        if word and word in words:
            self.at += 1
            return word
        return None

    def expect(self, word: str) -> None:
        """Raises S3Error ParseUnexpectedToken."""
        if self.accept(word) is None:
            raise unexpected(self.next)

    def deeper(self) -> None:
        """Raises S3Error ParseUnsupportedSyntax: too deep."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise S3Error("ParseUnsupportedSyntax", "The SQL expression is nested too deeply.")

    def back(self) -> None:
        """One level up again."""
        self._depth -= 1
