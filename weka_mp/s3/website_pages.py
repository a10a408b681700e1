"""What a visitor of a website is shown for an error: a page of HTML, every text of it escaped.

Source: the form of the error pages of S3's website endpoints (S3 user guide, «Website endpoints»).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from http import HTTPStatus
from typing import Final

from weka_mp.s3.errors import S3Error

__all__ = ["HTML", "ErrorWithoutPage", "render_page"]

HTML: Final = ("Content-Type", "text/html; charset=utf-8")
_NO_PAGE: Final = "An Error Occurred While Attempting to Retrieve a Custom Error Document"


class ErrorWithoutPage(S3Error):
    """An error of a website that has a page for errors, which could not be had. missing: why."""

    def __init__(self, error: S3Error, missing: S3Error) -> None:
        super().__init__(
            error.code, error.message, status=error.status, details=error.details, headers=error.headers
        )
        self.missing = missing


def render_page(error: S3Error, request_id: str, host_id: str) -> bytes:
    """The page; what could not be had besides is told below."""
    title = escape(f"{error.status} {_phrase(error.status)}")
    ids = {"RequestId": request_id, "HostId": host_id}
    body = [f"<h1>{title}</h1>", _listed(error, ids)]
    if isinstance(error, ErrorWithoutPage):
        body += [f"<h3>{_NO_PAGE}</h3>", _listed(error.missing, {})]
    page = (
        f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n'
        f"{''.join(body)}<hr>\n</body>\n</html>\n"
    )
    return page.encode("utf-8", "backslashreplace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _listed(error: S3Error, more: Mapping[str, str]) -> str:
    rows: Iterable[tuple[str, str]] = (
        ("Code", error.code), ("Message", error.message), *error.details.items(), *more.items()
    )
    items = "".join(f"<li>{escape(name)}: {escape(value)}</li>\n" for name, value in rows)
    return f"<ul>\n{items}</ul>\n"
