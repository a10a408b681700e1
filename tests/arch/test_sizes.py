"""No module and no function grows beyond what a reader takes in at once."""

from __future__ import annotations

from tests.arch.python_sources import package_sources, parse

MODULE_LINES = 500
FUNCTION_LINES = 60


def test_modules_stay_small() -> None:
    sizes = {source.name: len(source.text.splitlines()) for source in package_sources()}
    large = {name: lines for name, lines in sizes.items() if lines > MODULE_LINES}
    assert sizes
    assert not large, large


def test_functions_stay_small() -> None:
    large = [
        f"{source.name}:{line} {name}: {length} lines"
        for source in package_sources()
        for name, line, length in source.functions()
        if length > FUNCTION_LINES
    ]
    assert not large, large


def test_lengths_are_counted_from_def_to_the_last_line() -> None:
    text = "@d\ndef f():\n    a = 1\n    return a\n\n\nclass C:\n    async def g(self): ...\n"
    source = parse("weka_mp.x", text)
    assert sorted(source.functions()) == [("f", 2, 3), ("g", 8, 1)]
