"""docs/ARCHITECTURE.md shows every module of the namespace its place."""

from __future__ import annotations

import re

import pytest

from tests.arch.python_sources import PACKAGE, ROOT

TOP = ROOT / PACKAGE / "namespace"
ROOMS = sorted(path.name for path in TOP.iterdir() if (path / "__init__.py").exists())


def map_of_the_namespace() -> str:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    return text[text.index("## Inside `namespace/`") : text.index("## Adding an S3 operation")]


def shown(text: str) -> set[str]:
    return {name.removesuffix(".py") for name in re.findall(r"`([\w.]+)`", text)}


def test_there_are_rooms() -> None:
    assert "objects" in ROOMS


@pytest.mark.parametrize("room", [*ROOMS, ""])
def test_every_module_of_the_namespace_is_on_the_map(room: str) -> None:
    lines = map_of_the_namespace().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{room or 'namespace'}/`")]
    modules = {path.stem for path in (TOP / room).glob("*.py")} - {"__init__", "facade"}
    assert modules - shown(row) == set()
