"""CRC-32C and CRC-64/NVME in plain Python: the definition that the native kernels are held to.

Both are *reflected* CRCs that start from all ones and end inverted. :func:`update_bitwise` is the definition;
:class:`ReflectedCrc` computes the same with one table look-up a byte. It is what runs when the native library
is not there; from 64 KiB on :mod:`weka_mp.crc_lanes` makes it five to eight times faster.

Sources: RFC 3720 appendix B.4 (CRC-32C); NVM Express NVM command set specification, "64b CRC".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from weka_mp.crc_lanes import LANE, Lanes

__all__ = ["CRC32C", "CRC64NVME", "LANES_FROM", "ReflectedCrc", "update_bitwise"]

LANES_FROM = 64 * 1024
"""Bytes. Below, the fixed costs of the lanes eat what they gain."""

BLOCK = 1024 * 1024
"""Bytes that the lanes take at a time, to bound the memory that a long message needs. A multiple of LANE."""


def update_bitwise(polynomial: int, register: int, data: Iterable[int]) -> int:
    """Move `register` (no inversion applied) over the bytes of `data`, a bit at a time."""
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (polynomial if register & 1 else 0)
    return register


@dataclass(frozen=True, slots=True)
class ReflectedCrc:
    """A reflected CRC of `width` bits with the reflected `polynomial`.

    Calling it continues a checksum: ``crc(b, crc(a)) == crc(a + b)``, 0 at the start, as with `zlib.crc32`.
    """

    width: int
    polynomial: int
    _table: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _lanes: list[Lanes] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        table = tuple(update_bitwise(self.polynomial, 0, (byte,)) for byte in range(256))
        object.__setattr__(self, "_table", table)

    def __call__(self, data: bytes | bytearray | memoryview, value: int = 0) -> int:
        """The checksum of `data` after a message whose checksum is `value` (``0 <= value < 2**width``).

        Raises ValueError for a `value` out of range, and BufferError or TypeError for a `data` that is no
        contiguous buffer.
        """
        ones = (1 << self.width) - 1
        if not 0 <= value <= ones:
            raise ValueError(f"a checksum of {self.width} bits can not be {value:#x}")
        view = memoryview(data)
        if not view.c_contiguous:
            raise BufferError("a checksum needs a contiguous buffer")
        return self._advance(value ^ ones, view.cast("B")) ^ ones

    def _advance(self, register: int, octets: memoryview) -> int:
        done = 0
        while (left := len(octets) - done) >= LANES_FROM:
            taken = min(BLOCK, left - left % LANE)
            register = self._lanes_made().advance(register, bytes(octets[done : done + taken]))
            done += taken
        table = self._table
        for byte in octets[done:]:
            register = (register >> 8) ^ table[(register ^ byte) & 0xFF]
        return register

    def _lanes_made(self) -> Lanes:
        """Made when first needed (milliseconds), which with the native library is never."""
        if not self._lanes:
            self._lanes.append(Lanes.of(self.width, self._table))
        return self._lanes[0]


CRC32C = ReflectedCrc(width=32, polynomial=0x82F63B78)
CRC64NVME = ReflectedCrc(width=64, polynomial=0x9A6C9329AC4BC9B5)
