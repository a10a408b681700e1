"""docs/ARCHITECTURE.md shows every module of the namespace its place."""

from __future__ import annotations

import re

from tests.arch.python_sources import PACKAGE, ROOT


def test_every_module_of_the_namespace_is_on_the_map() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    section = text[text.index("## Inside `namespace/`") : text.index("## Adding an S3 operation")]
    shown = {name.removesuffix(".py") for name in re.findall(r"`([\w.]+)`", section)}
    modules = {path.stem for path in (ROOT / PACKAGE / "namespace").glob("*.py")} - {"__init__"}
    assert modules - shown == set()
