"""No module and no function grows beyond what a reader takes in at once."""

from __future__ import annotations

from tests.arch.python_sources import package_sources, parse

MODULE_LINES = 500
FUNCTION_LINES = 60
FUNCTION_ARGUMENTS = 7

MANY_ARGUMENTS = {
    "weka_mp.cli.bench_cmd.command": "click hands over each option by its name",
    "weka_mp.cli.s3_inventory.inventory": "click hands over each option by its name",
    "weka_mp.s3.authentication.authenticate": "a request, and what holds for all signatures of an endpoint",
    "weka_mp.s3.post_upload.authorize_form": "as authenticate",
    "weka_mp.s3.sigv4.build_authentication": "the fields of one value out of those of another",
    "weka_mp.server.worker.run_worker": "what a process is put together from, in one place",
}
"""Functions that may have more, and why. Else: a frozen value (`CopyRequest`), or two functions."""


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


def test_functions_have_few_arguments() -> None:
    found = {
        f"{source.name}.{name}": count
        for source in package_sources()
        for name, count in source.arguments()
        if count > FUNCTION_ARGUMENTS
    }
    assert found.keys() - MANY_ARGUMENTS.keys() == set(), found
    assert MANY_ARGUMENTS.keys() - found.keys() == set(), "exceptions that nothing needs"


def test_arguments_are_counted_without_the_instance() -> None:
    text = "class C:\n    def f(self, a, /, b, *c, d=1, **e): ...\n\n\ndef g(a, *, b): ...\n"
    assert sorted(parse("weka_mp.x", text).arguments()) == [("f", 3), ("g", 2)]
