"""Many bytes of a CRC at once in plain Python: a long message is cut into lanes that advance side by side.

A CRC is linear: the register after ``a || b`` is the register of ``a`` moved over ``len(b)`` zero bytes, xor
the register of ``b`` alone. So a block is cut into lanes of `LANE` bytes, and one step takes a byte of every
lane: registers are kept as one long integer for each byte position, a table look-up is `bytes.translate`, and
the xor of all lanes is one operation on integers. At the end the lanes are joined from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LANE", "Lanes"]

LANE = 256
"""Bytes in a lane. Long lanes are cheap to join, many lanes are cheap to advance; this suits 64 KiB on."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The tables of one reflected CRC of ``len(planes)`` bytes."""

    planes: tuple[bytes, ...]
    """planes[j][b]: byte j (from the low end) of the register after byte b, starting from register 0."""

    over_a_lane: tuple[tuple[int, ...], ...]
    """over_a_lane[j][b]: the register with byte j set to b and the rest 0, after `LANE` zero bytes."""

    @classmethod
    def of(cls, width: int, table: tuple[int, ...]) -> Lanes:
        """From the width in bits and the usual 256-entry table of a byte at a time."""
        positions = range(width // 8)
        planes = tuple(bytes(entry >> 8 * j & 0xFF for entry in table) for j in positions)
        columns = [_over_zero_byte(1 << bit, table) for bit in range(width)]
        for _ in range(LANE.bit_length() - 1):
            columns = [_applied(columns, column) for column in columns]
        over = tuple(tuple(_applied(columns, byte << 8 * j) for byte in range(256)) for j in positions)
        return cls(planes, over)

    def advance(self, register: int, block: bytes) -> int:
        """The register after `block`, whose length is a multiple of `LANE` and not 0."""
        lanes = len(block) // LANE
        size = len(self.planes)
        # One integer a byte position, one byte of it a lane; only the first lane begins with the register.
        state = [register >> 8 * j & 0xFF for j in range(size)] + [0]
        for step in range(LANE):
            column = int.from_bytes(block[step::LANE], "little")
            index = (state[0] ^ column).to_bytes(lanes, "little")
            for j, plane in enumerate(self.planes):
                state[j] = state[j + 1] ^ int.from_bytes(index.translate(plane), "little")
        return self._joined([part.to_bytes(lanes, "little") for part in state[:size]])

    def _joined(self, parts: list[bytes]) -> int:
        register = 0
        for lane in zip(*parts, strict=True):
            moved = 0
            for j, table in enumerate(self.over_a_lane):
                moved ^= table[register >> 8 * j & 0xFF]
            register = moved ^ int.from_bytes(lane, "little")
        return register


def _over_zero_byte(register: int, table: tuple[int, ...]) -> int:
    return (register >> 8) ^ table[register & 0xFF]


def _applied(columns: list[int], register: int) -> int:
    """The linear map with these columns (one a bit) applied to a register."""
    result = 0
    while register:
        low = register & -register
        result ^= columns[low.bit_length() - 1]
        register ^= low
    return result
