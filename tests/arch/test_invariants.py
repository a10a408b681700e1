"""docs/INVARIANTS.md names tests that are there; no promise, race or limit is without one."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.arch.python_sources import ROOT

_ENTRY = re.compile(r"^- \*\*(?P<id>[A-Z]+\d+)\*\* (?P<text>.*?) — (?P<tests>.*)$")
_TEST = re.compile(r"`(?P<file>[\w/]+\.py)::(?P<name>(?:\w+::)?\w+)`")
_PROMISE = re.compile(r"\bS(\d+)\b")
"""A section of SEMANTICS.md, as an invariant names it: (S4)."""


def _entries() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """id → the sentence and its tests as (file below tests/, function)."""
    text = (ROOT / "docs" / "INVARIANTS.md").read_text("utf-8")
    # An entry may run over several lines; the following ones are indented.
    joined = re.sub(r"\n +", " ", text)
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for line in joined.splitlines():
        if not line.startswith("- **"):
            continue
        entry = _ENTRY.match(line)
        assert entry, f"not `- **ID** sentence — tests`: {line}"
        assert entry["id"] not in found, f"{entry['id']} stands twice"
        tests = [(test["file"], test["name"]) for test in _TEST.finditer(entry["tests"])]
        found[entry["id"]] = entry["text"], tests
    return found


@functools.cache
def _functions(path: Path) -> frozenset[str]:
    """By their names as pytest takes them: those of a class have its name in front."""
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        functions = (one for one in inside if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
        names |= {before + one.name for one in functions}
    return frozenset(names)


ENTRIES = _entries()


@pytest.mark.parametrize("name", ENTRIES)
def test_every_invariant_names_tests_that_exist(name: str) -> None:
    tests = ENTRIES[name][1]
    assert tests, f"{name} names no test"
    for file, function in tests:
        path = ROOT / "tests" / file
        assert path.is_file(), f"{name}: tests/{file} is not there"
        assert function in _functions(path), f"{name}: tests/{file} has no {function}"
        assert function.rpartition("::")[2].startswith("test_"), f"{name}: {function} is no test"


def test_every_section_of_the_semantics_has_invariants() -> None:
    semantics = (ROOT / "docs" / "SEMANTICS.md").read_text("utf-8")
    sections = {int(number) for number in re.findall(r"^## (\d+)\. ", semantics, re.MULTILINE)}
    named = {int(number) for text, _ in ENTRIES.values() for number in _PROMISE.findall(text)}
    assert sections
    assert sections - named == set(), "sections without an invariant"
    assert named - sections == set(), "sections that are not there"


@pytest.mark.parametrize(("document", "letter"), [("CONCURRENCY.md", "Q"), ("LIMITS.md", "L")])
def test_every_row_of_races_and_limits_has_its_invariant(document: str, letter: str) -> None:
    text = (ROOT / "docs" / document).read_text("utf-8")
    rows = re.findall(rf"^\| ({letter}\d+) \|", text, re.MULTILINE)
    assert rows
    assert len(rows) == len(set(rows)), "two rows of one number"
    assert {name for name in ENTRIES if re.fullmatch(rf"{letter}\d+", name)} == set(rows)
    unnumbered = re.findall(r"^\| \|", text, re.MULTILINE)
    assert len(unnumbered) == 1, "a row without a number (the head has none)"
