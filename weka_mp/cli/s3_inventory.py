"""``weka-mp s3 bucket inventory``."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO
from urllib.parse import quote

import click

from weka_mp.cli.administration import Session, Where, place, session, where_options
from weka_mp.cli.refusals import Refusal

__all__ = ["inventory"]

_MISSING: Final = "weka-mp s3 bucket list shows what there is"
_BASE: Final = ("Bucket", "Key")
_OF_VERSIONS: Final = ("VersionId", "IsLatest", "IsDeleteMarker")
_LOCKS: Final = ("ObjectLockRetainUntilDate", "ObjectLockMode", "ObjectLockLegalHoldStatus")
_OPTIONAL: Final = (
    "Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "EncryptionStatus",
    "ChecksumAlgorithm", "ObjectOwner",
)  # fmt: skip
_KNOWN: Final = (*_BASE, *_OF_VERSIONS, *_OPTIONAL, *_LOCKS)
_Row = Mapping[str, Any]
_Write = Callable[[_Row], None]
_WORDS: Final = {True: "true", False: "false", None: ""}


@click.command("inventory")
@click.argument("name", metavar="BUCKET")
@click.option("--prefix", metavar="PREFIX", default="", help="Keys that begin with it.  [default: all]")
@click.option("--versions", is_flag=True, help="All versions and delete markers, not the current ones alone.")
@click.option(
    "-o", "--output", "columns", metavar="FIELD[,...]", default="",
    help=f"Fields to print, of {', '.join(_KNOWN)}.  [default: all but those of Object Lock]",
)
@click.option(
    "-f", "--format", "form", type=click.Choice(("csv", "json")), default="csv",
    help="csv, or json: one object a line.",
)
@click.option("--no-header", is_flag=True, help="Print no line of field names.")
@click.option(
    "--file", "path", metavar="FILE", default="-", help="Where to: it appears when it is whole.  [default: -]"
)
@where_options
def inventory(
    where: Where, name: str, prefix: str, versions: bool, columns: str, form: str, no_header: bool, path: str
) -> None:
    """List all that is in BUCKET, with the fields of AWS's inventory reports and in the order of the keys.

    Keys are percent-encoded. It is a listing page by page: what changes meanwhile may be in it or not.
    """
    chosen = _chosen(columns, versions)
    asked = {"prefix": quote(os.fsencode(prefix), safe="")}
    asked |= {"versions": "true"} if versions else {}
    asked |= {"locks": "true"} if set(chosen) & set(_LOCKS) else {}
    with session(where) as reached, _opened(path) as out:
        write = _csv(out, chosen, header=not no_header) if form == "csv" else _json(out, chosen)
        for row in _rows(reached, name, asked):
            write(row)


def _chosen(columns: str, versions: bool) -> Sequence[str]:
    """Raises UsageError."""
    wanted = tuple(word for word in columns.split(",") if word)
    for word in wanted:
        if word not in _KNOWN:
            raise click.UsageError(f"no field {word!r}; there are {', '.join(_KNOWN)}")
        if word in _OF_VERSIONS and not versions:
            raise click.UsageError(f"{word} goes with --versions")
    return wanted or (*_BASE, *(_OF_VERSIONS if versions else ()), *_OPTIONAL)


def _rows(reached: Session, name: str, asked: Mapping[str, str]) -> Iterator[_Row]:
    """Page by page, so that no more than one is in memory. Raises Refusal."""
    behind: Mapping[str, str] | None = {}
    while behind is not None:
        path = place("s3", "buckets", name, "inventory")
        page = reached.ask("GET", path, {**asked, **behind}, missing=_MISSING)
        yield from page["rows"]
        behind = page["next"]


def _csv(out: TextIO, columns: Sequence[str], *, header: bool) -> _Write:
    """All values quoted, as AWS's are."""
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    if header:
        writer.writerow(columns)

    def write(row: _Row) -> None:
        values = [row.get(column) for column in columns]
        writer.writerow([_WORDS[one] if one is None or isinstance(one, bool) else one for one in values])

    return write


def _json(out: TextIO, columns: Sequence[str]) -> _Write:
    """What a row does not have is left out."""

    def write(row: _Row) -> None:
        out.write(json.dumps({column: row[column] for column in columns if column in row}) + "\n")

    return write


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    """The file gets its name when all is there and on the disk. Raises Refusal."""
    if path == "-":
        yield sys.stdout
        return
    staged = f"{path}.{os.getpid()}.part"
    try:
        with open(staged, "x", encoding="ascii") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.rename(staged, path)
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            os.unlink(staged)
