"""The entry point."""

from __future__ import annotations

import os

import pytest

from weka_mp.cli import main as program


@pytest.mark.parametrize(("given", "left"), [(0o000, 0o022), (0o002, 0o022), (0o022, 0o022), (0o077, 0o077)])
def test_regression_nothing_is_made_that_everybody_may_write(
    monkeypatch: pytest.MonkeyPatch, given: int, left: int
) -> None:
    """A log that others could write to says what they like."""
    seen: list[int] = []
    monkeypatch.setattr(program.cli, "main", lambda **_: seen.append(os.umask(0)))
    former = os.umask(given)
    try:
        program.main()
    finally:
        os.umask(former)
    assert seen == [left]
