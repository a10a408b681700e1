"""How much space: text as people write it, in bytes."""

from __future__ import annotations

import re
from typing import Final

from weka_mp.identity.errors import InvalidInput

__all__ = ["parse_capacity"]

_TEXT: Final = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,3}))?\s?(B|[KMGTPE]i?B)", re.IGNORECASE)
_PREFIXES: Final = "KMGTPE"
_MOST: Final = (1 << 63) - 1  # what a file's offset, and so every count of bytes, can be


def parse_capacity(text: str) -> int:
    """Of ``1B``, ``1.5TB`` (powers of 1000), ``20GiB`` (of 1024); in any case. Raises InvalidInput."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(
            f"{text[:32]!r} is no capacity: a number and B, KB, MB, GB, TB, PB, EB, KiB, MiB, GiB, TiB … EiB"
        )
    whole, fraction, unit = match.groups()
    base = 1024 if "i" in unit.lower() else 1000
    factor = base ** (_PREFIXES.index(unit[0].upper()) + 1) if len(unit) > 1 else 1
    thousandths = int(whole) * 1000 + int((fraction or "0").ljust(3, "0"))
    amount, rest = divmod(thousandths * factor, 1000)
    if rest or not 1 <= amount <= _MOST:
        raise InvalidInput(f"{text[:32]!r}: a quota is a whole number of bytes, from 1B to less than 8EiB")
    return amount
