"""The S3 error catalogue, the one exception that carries an S3 error, and its XML document.

Source: "Error responses" of the Amazon S3 API reference (code, status, meaning). Every error that leaves
the S3 endpoint is a row of this table; raising a code that is not in it is a KeyError, that is, our own
mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from weka_mp.s3.error_catalogue import CATALOGUE as GENERAL
from weka_mp.s3.select_catalogue import SELECT_CATALOGUE
from weka_mp.s3.xml_elements import DECLARATION
from weka_mp.s3.xml_text import escape

__all__ = ["CATALOGUE", "S3Error", "render_error", "reply_has_body"]

CATALOGUE: Final[Mapping[str, tuple[int, str]]] = dict(
    sorted({**GENERAL, **SELECT_CATALOGUE}.items(), key=lambda row: row[0].lower())
)
"""Every error that leaves the endpoint."""

_BODYLESS_STATUS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class S3Error(Exception):
    """An S3 error on its way to the client.

    code:     a row of CATALOGUE.
    message:  the catalogue's text unless given.
    status:   HTTP status; the catalogue's unless given (a few codes are answered with two).
    details:  further elements of the XML document in order, such as BucketName, Key, ArgumentName, Condition.
    headers:  further response headers, such as Retry-After or Content-Range.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known_status, known_message = CATALOGUE[code]
        self.code = code
        self.message = known_message if message is None else message
        self.status = known_status if status is None else status
        self.details: dict[str, str] = dict(details or {})
        self.headers: dict[str, str] = dict(headers or {})
        super().__init__(f"{code}: {self.message}")

    def __repr__(self) -> str:
        return f"S3Error({self.code!r}, {self.message!r}, status={self.status}, details={self.details})"


def render_error(error: S3Error, resource: str, request_id: str, host_id: str) -> bytes:
    """The ``<Error>`` document: Code, Message, details, Resource (when not empty), RequestId, HostId."""
    parts = [DECLARATION, f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"]
    parts += [f"<{name}>{escape(value)}</{name}>" for name, value in error.details.items()]
    if resource and "Resource" not in error.details:
        parts.append(f"<Resource>{escape(resource)}</Resource>")
    parts.append(f"<RequestId>{escape(request_id)}</RequestId><HostId>{escape(host_id)}</HostId></Error>")
    return "".join(parts).encode("utf-8", "backslashreplace")


def reply_has_body(method: str, status: int) -> bool:
    """Whether a reply may carry a body: not to HEAD, not 204, 304 or 1xx (RFC 9110, 6.4.1)."""
    return method != "HEAD" and status >= 200 and status not in _BODYLESS_STATUS
