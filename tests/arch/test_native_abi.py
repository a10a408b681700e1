"""What C and Python say twice, they say alike."""

from __future__ import annotations

import re

from tests.arch.python_sources import ROOT
from weka_mp import kernels

HEADER = (ROOT / "native" / "wk_kernels.h").read_text("utf-8")


def test_the_version_is_the_same_on_both_sides() -> None:
    match = re.search(r"#define WK_ABI_VERSION (\d+)u", HEADER)
    assert match is not None
    assert int(match[1]) == kernels.ABI_VERSION


def test_the_names_of_the_paths_are_the_same() -> None:
    in_c = {int(n): name.lower() for name, n in re.findall(r"WK_PATH_(\w+) = (\d+)", HEADER)}
    assert in_c.pop(0) == "auto"
    assert in_c == kernels.PATHS


def test_no_native_source_needs_python() -> None:
    sources = list((ROOT / "native").glob("*.[ch]"))
    assert len(sources) > 3
    assert not [path.name for path in sources if "#include <Python.h>" in path.read_text("utf-8")]
