"""The words of an S3 SELECT expression.

Source: «SQL reference for Amazon S3 Select» of the S3 user guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from weka_mp.s3.errors import S3Error

__all__ = ["Kind", "Token", "tokens"]


class Kind(Enum):
    """What a token is."""

    WORD = "WORD"  # of letters, unquoted
    NAME = "NAME"  # in double quotes
    TEXT = "TEXT"  # in single quotes
    NUMBER = "NUMBER"
    SIGN = "SIGN"
    END = "END"


@dataclass(frozen=True, slots=True)
class Token:
    """value: what stands in quotes is unescaped; words are as written."""

    kind: Kind
    value: str

    @property
    def upper(self) -> str:
        """Of words and signs: what they are compared by; empty for all else."""
        return self.value.upper() if self.kind in (Kind.WORD, Kind.SIGN) else ""


_PATTERN: Final = re.compile(
    r"""\s+
    | (?P<WORD>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<NUMBER>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | '(?P<TEXT>(?:[^']|'')*)'
    | "(?P<NAME>(?:[^"]|"")*)"
    | (?P<SIGN><=|>=|<>|!=|\|\||[-+*/%=<>(),.\[\];])""",
    re.VERBOSE | re.ASCII,
)
_QUOTES: Final = {"TEXT": "'", "NAME": '"'}


def tokens(expression: str) -> list[Token]:
    """All of them and END. Raises S3Error LexerInvalidChar, LexerInvalidLiteral."""
    found: list[Token] = []
    at = 0
    while at < len(expression):
        match = _PATTERN.match(expression, at)
        if match is None:
            sign = expression[at]
            raise S3Error("LexerInvalidLiteral" if sign in "'\"" else "LexerInvalidChar")
        at = match.end()
        name = match.lastgroup
        if name is None:
            continue
        value = match.group(name)
        if "\0" in value:
            raise S3Error("LexerInvalidChar")
        quote = _QUOTES.get(name)
        found.append(Token(Kind[name], value if quote is None else value.replace(quote * 2, quote)))
    return [*found, Token(Kind.END, "")]
