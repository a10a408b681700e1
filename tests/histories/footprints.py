"""What of the register an operation depends on and what it changes: operations without a conflict commute."""

from __future__ import annotations

from typing import NamedTuple

from tests.histories.register import FOLDER, Operation

__all__ = ["Footprint", "footprint"]

_FOLDERS = 2
_ALL = (1 << _FOLDERS * FOLDER) - 1
_CONTENTS = 1 << _FOLDERS * FOLDER
_SLOTS = _CONTENTS << 1


class Footprint(NamedTuple):
    """Bits of keys, one for the contents of all files, one for the descriptors of all callers."""

    reads: int
    writes: int

    def conflicts(self, other: Footprint) -> bool:
        """Whether the order of the two may matter."""
        return bool(self.writes & (other.reads | other.writes) | self.reads & other.writes)


def footprint(operation: Operation) -> Footprint:
    """Never too small; it need not be the smallest."""
    kind, old = operation.kind, operation.old
    key, other = _keys(operation.key, operation), _keys(operation.other, operation)
    source, target = _folder(key), _folder(other)
    pinned = _CONTENTS if old is not None else 0
    reads, writes = {
        "read": (key | _CONTENTS, 0),
        "present": (key, 0),
        "differs": (key | _CONTENTS, 0),
        "vacant": (source, 0),
        "occupied": (source, 0),
        "unmovable": (key | target, 0),
        "see": (key | _CONTENTS, 0),
        "glimpse": (key | _CONTENTS, 0),
        "write": (0, key),
        "create": (key, key),
        "delete": (0, key),
        "unlink": (key, key),
        "swap": (key | _CONTENTS, key),
        "rename": (key | pinned, key | other),
        "place": (key | other | pinned, key | other),
        "move": (_ALL, _ALL),
        "hold": (key, _SLOTS),
        "patch": (_SLOTS, _CONTENTS),
        "store": (_SLOTS | _CONTENTS, key | _SLOTS),
    }[kind]
    return Footprint(reads | (target if operation.doubled else 0), writes)


def _keys(key: int, operation: Operation) -> int:
    if operation.carried:
        return _ALL
    return 1 << key | (1 << (key ^ FOLDER) if operation.elsewhere else 0)


def _folder(keys: int) -> int:
    """All keys of the folders in which these lie."""
    one = (1 << FOLDER) - 1
    return sum(one << first for first in range(0, _FOLDERS * FOLDER, FOLDER) if keys & one << first)
