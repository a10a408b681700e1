"""What names in an expression stand for: columns of CSV records, values in JSON records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from weka_mp.s3.errors import S3Error
from weka_mp.select.fragments import Fragment, Type, literal, quoted_name

__all__ = ["MAX_COLUMNS", "CsvColumns", "JsonRecords", "Source", "Step", "Unknown"]

MAX_COLUMNS: Final = 4096
_POSITION: Final = re.compile(r"_([1-9][0-9]{0,8})", re.ASCII)
RECORD: Final = "_record"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path. exact: it stood in quotes, so that case matters. index: of an array instead."""

    name: str
    exact: bool = False
    index: int | None = None


class Source(Protocol):
    """The records of one object."""

    def value(self, path: Sequence[Step]) -> Fragment:
        """Raises S3Error for a path that leads nowhere in any record."""


@dataclass(slots=True)
class CsvColumns:
    """header: the names; None: they are called by their number. highest: number of a column that was asked
    for.
    """

    header: tuple[str, ...] | None
    highest: int = 0

    def value(self, path: Sequence[Step]) -> Fragment:
        step = path[0]
        if len(path) != 1 or step.index is not None:
            raise S3Error("ParseUnsupportedSyntax", "A column of a CSV record has no parts.")
        number = self._number(step)
        if number > MAX_COLUMNS:
            raise S3Error("InvalidColumnIndex")
        self.highest = max(self.highest, number)
        return Fragment(quoted_name(f"_{number}"), Type.ANY, name=step.name)

    def _number(self, step: Step) -> int:
        for number, name in enumerate(self.header or (), 1):
            if name == step.name or (not step.exact and name.lower() == step.name.lower()):
                return number
        position = _POSITION.fullmatch(step.name)
        if position is None:
            raise S3Error("InvalidColumnIndex" if self.header is None else "MissingHeaders")
        return int(position.group(1))


class JsonRecords:
    """Of JSON values; case matters always."""

    def value(self, path: Sequence[Step]) -> Fragment:
        where = literal(json_path(path))
        named = [step.name for step in path if step.index is None]
        return Fragment(
            f"json_extract({RECORD}, {where})", Type.JSON, f"json_extract_string({RECORD}, {where})",
            named[-1] if named else None,
        )


class Unknown:
    """Before the object was looked at: every name may be good."""

    def value(self, path: Sequence[Step]) -> Fragment:
        return Fragment("NULL", Type.ANY, name=path[-1].name)


def json_path(path: Sequence[Step]) -> str:
    """As the engine spells it. Raises S3Error."""
    parts = ["$"]
    for step in path:
        if step.index is not None:
            parts.append("[*]" if step.index < 0 else f"[{step.index}]")
        elif '"' in step.name or "\\" in step.name or step.name == "*":  # which in quotes is a wildcard, too
            raise S3Error("ParseUnsupportedSyntax", "Quotes, backslashes and * in a name are not supported.")
        else:
            parts.append(f'."{step.name}"')
    return "".join(parts)
