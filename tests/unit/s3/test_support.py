"""The public table of what is supported says what the router does."""

from __future__ import annotations

import re
from pathlib import Path

from weka_mp.s3.operations import BUILT
from weka_mp.s3.routing import CORS_PREFLIGHT, ROUTES, SYNONYMS

TABLE = Path(__file__).parents[3] / "docs" / "S3_SUPPORT.md"
ROWS = re.findall(r"^\| (\w+) \| (yes|partial|no) \| (.*?) ?\|$", TABLE.read_text("utf-8"), re.MULTILINE)


def test_every_operation_has_one_row_in_order() -> None:
    names = [name for name, _, _ in ROWS]
    assert names == sorted({route.name for route in ROUTES} | SYNONYMS.keys())


def test_what_is_built_is_said_to_be_there() -> None:
    there = {name for name, word, _ in ROWS if word != "no"}
    built = BUILT | {CORS_PREFLIGHT}
    assert there == built | {old for old, new in SYNONYMS.items() if new in built}


def test_what_is_missing_is_said() -> None:
    assert [name for name, word, reason in ROWS if word != "yes" and not reason] == []
