"""Renames of what the kernel knows as something else: it is asked once to look again and repeat the call."""

from __future__ import annotations

from weka_mp.errors import Stale

__all__ = ["RepeatedRenames"]

_REMEMBERED = 1024  # that the kernel was asked to repeat and may never
_Names = tuple[int, bytes, int, bytes]


class RepeatedRenames:
    """Those of one mount that are still to come again."""

    def __init__(self) -> None:
        self._asked: set[_Names] = set()

    def check(self, names: _Names, told: bool) -> None:
        """Raises Stale the first time that `names` are to be renamed while the kernel was not `told` what
        they lead to.
        """
        if told or names in self._asked:
            self._asked.discard(names)
            return
        if len(self._asked) >= _REMEMBERED:
            self._asked.clear()
        self._asked.add(names)
        raise Stale("another door has changed what is renamed", subject=names[1])
