"""The documents of answers in the query protocol: names of elements are ours, what they hold is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weka_mp.query.errors import QueryError
from weka_mp.s3.dates import format_iso
from weka_mp.s3.xml_text import escape

__all__ = ["Content", "Entries", "Record", "moment", "render", "render_error"]

@dataclass(frozen=True, slots=True)
class Entries:
    """A map whose keys are values, too: an element ``entry`` for each."""

    values: Mapping[str, int]


Content = str | int | bool | None | Entries | Sequence["Content"] | Mapping[str, "Content"]
"""None leaves an element out, a sequence has an element ``member`` for each."""

Record = Mapping[str, Content]
_SECOND = 1_000_000_000


def moment(ns: int) -> str:
    """Nanoseconds since the epoch as these services write times, in whole seconds."""
    return format_iso(ns // _SECOND).replace(".000Z", "Z")


def render(action: str, namespace: str, result: Record | None, request_id: str) -> bytes:
    """The answer of an operation; result None: it has none."""
    body = "" if result is None else f"<{action}Result>{_content(result)}</{action}Result>"
    metadata = f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata>"
    return f'<{action}Response xmlns="{namespace}">{body}{metadata}</{action}Response>\n'.encode()


def render_error(error: QueryError, namespace: str, request_id: str) -> bytes:
    """The answer to what was refused."""
    detail = (
        f"<Type>{error.fault}</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    )
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error>{detail}</Error>'
        f"<RequestId>{escape(request_id)}</RequestId></ErrorResponse>\n"
    ).encode("utf-8", "backslashreplace")


def _content(value: Content) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return escape(value)
        case int():
            return str(value)
        case Mapping():
            return "".join(
                f"<{name}>{_content(part)}</{name}>" for name, part in value.items() if part is not None
            )
        case Entries(values):
            return "".join(
                f"<entry><key>{escape(key)}</key><value>{number}</value></entry>"
                for key, number in values.items()
            )
        case None:
            return ""
    return "".join(f"<member>{_content(part)}</member>" for part in value)
