"""Loads the native kernels, or stands in for them with their Python twins, and says which and why.

The library is plain C (``native/``) reached through `ctypes`. It is a matter of speed alone: every function
here gives the same result without it. ``WEKA_MP_NO_NATIVE=1`` in the environment, or :func:`use_native`,
turns it off; :func:`describe` tells what is in use, for ``weka-mp doctor`` and for the log.
"""

from __future__ import annotations

import ctypes
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weka_mp import crc_reference

__all__ = [
    "ABI_VERSION",
    "Kernels",
    "NativeAbiMismatch",
    "NativeNotBuilt",
    "NativeNotLoadable",
    "NativeUnavailable",
    "crc32",
    "crc32c",
    "crc64nvme",
    "describe",
    "library_path",
    "load_library",
    "use_native",
]

ABI_VERSION = 1
"""What this module speaks; WK_ABI_VERSION in native/wk_kernels.h is its twin."""

HOLD_GIL_BELOW = 32 * 1024
"""Bytes. A checksum of less takes under 3 µs; to give up the interpreter lock and regain it can cost more."""

PATHS = {1: "bitwise", 2: "sliced", 3: "folded"}
"""Names of enum wk_path, the ways in which the library computes a checksum."""

Buffer = bytes | bytearray | memoryview


class NativeUnavailable(Exception):
    """The native library can not be used; the message says why in one line."""


class NativeNotBuilt(NativeUnavailable):
    """There is no library file: nothing compiled it."""


class NativeNotLoadable(NativeUnavailable):
    """There is a file that the dynamic loader refuses, or that lacks a symbol."""


class NativeAbiMismatch(NativeUnavailable):
    """The library speaks another version than this module: it was compiled from other sources."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """What computes checksums: `native` or not, the `reason` in one line, the `path` of a library in use."""

    native: bool
    reason: str
    path: Path | None


def library_path() -> Path:
    """Where the library is expected: beside this module, whether installed or in a checkout."""
    return Path(__file__).parent / "_native" / "libweka_mp_native.so"


class _PyBuffer(ctypes.Structure):
    """`Py_buffer`, stable ABI since Python 3.11: reaches the memory of a read-only view without a copy."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_PYBUF_SIMPLE = 0
_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int)
_get_buffer.restype = ctypes.c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (ctypes.POINTER(_PyBuffer),)
_release_buffer.restype = None


class _NativeCrc:
    """One checksum function of the library, with the call signature of its Python twin."""

    def __init__(self, path: Path, name: str, value_type: Any, twin: crc_reference.ReflectedCrc) -> None:
        self._limit = 1 << twin.width
        # The same code by two doors: PyDLL keeps the interpreter lock during the call, CDLL gives it up.
        self._holding = self._bind(ctypes.PyDLL(str(path)), name, value_type)
        self._yielding = self._bind(ctypes.CDLL(str(path)), name, value_type)

    @staticmethod
    def _bind(library: ctypes.CDLL, name: str, value_type: Any) -> Any:
        function = getattr(library, name)
        function.argtypes = (value_type, ctypes.c_void_p, ctypes.c_size_t)
        function.restype = value_type
        return function

    def __call__(self, data: Buffer, value: int = 0) -> int:
        if not 0 <= value < self._limit:
            raise ValueError(f"a checksum of {self._limit.bit_length() - 1} bits can not be {value:#x}")
        if type(data) is bytes:
            return self._run(value, data, len(data))
        view = _PyBuffer()
        _get_buffer(data, ctypes.byref(view), _PYBUF_SIMPLE)
        try:
            return self._run(value, view.buf, view.len)
        finally:
            _release_buffer(ctypes.byref(view))

    def _run(self, value: int, address: bytes | int | None, length: int) -> int:
        function = self._holding if length < HOLD_GIL_BELOW else self._yielding
        result: int = function(value, address, length)
        return result


@dataclass(frozen=True, slots=True)
class _Functions:
    crc32c: Any
    crc64nvme: Any
    kernels: Kernels


def load_library(path: Path) -> ctypes.CDLL:
    """Load the library at `path` and check its version.

    Raises :class:`NativeNotBuilt`, :class:`NativeNotLoadable` or :class:`NativeAbiMismatch`.
    """
    if not path.exists():
        raise NativeNotBuilt(f"not built: there is no {path}")
    try:
        library = ctypes.CDLL(str(path))
        version = library.wk_abi_version
    except (OSError, AttributeError) as error:
        raise NativeNotLoadable(f"can not be loaded: {error}") from error
    version.argtypes = ()
    version.restype = ctypes.c_uint32
    if version() != ABI_VERSION:
        raise NativeAbiMismatch(f"speaks version {version()}, wanted {ABI_VERSION}: build it again ({path})")
    return library


def _native(path: Path) -> _Functions:
    library = load_library(path)
    try:
        library.wk_best_path.argtypes = ()
        library.wk_best_path.restype = ctypes.c_uint32
        way = PATHS[library.wk_best_path()]
        return _Functions(
            crc32c=_NativeCrc(path, "wk_crc32c", ctypes.c_uint32, crc_reference.CRC32C),
            crc64nvme=_NativeCrc(path, "wk_crc64nvme", ctypes.c_uint64, crc_reference.CRC64NVME),
            kernels=Kernels(native=True, reason=f"loaded, checksums {way}", path=path),
        )
    except AttributeError as error:
        raise NativeNotLoadable(f"can not be loaded: {error}") from error


def _reference(reason: str) -> _Functions:
    return _Functions(
        crc32c=crc_reference.CRC32C,
        crc64nvme=crc_reference.CRC64NVME,
        kernels=Kernels(native=False, reason=reason, path=None),
    )


def _choose(wanted: bool, path: Path, refusal: str) -> _Functions:
    if not wanted:
        return _reference(refusal)
    try:
        return _native(path)
    except NativeUnavailable as error:
        return _reference(str(error))


_functions = _choose(
    os.environ.get("WEKA_MP_NO_NATIVE", "") in ("", "0"), library_path(), "turned off by WEKA_MP_NO_NATIVE"
)


def use_native(wanted: bool, path: Path | None = None) -> Kernels:
    """Turn the native kernels on or off for this process and return what is in use afterwards.

    Asking for them where they are not available is no error: the result says why. `path` names another
    library than the one that belongs to this module. Safe at any time: a call under way finishes as it began.
    """
    global _functions
    _functions = _choose(wanted, path or library_path(), "turned off by the caller")
    return _functions.kernels


def describe() -> Kernels:
    """What computes checksums now, and why."""
    return _functions.kernels


def crc32(data: Buffer, value: int = 0) -> int:
    """CRC-32 (ISO 3309; S3's x-amz-checksum-crc32) of `data`, continuing from `value`: zlib's."""
    return zlib.crc32(data, value)


def crc32c(data: Buffer, value: int = 0) -> int:
    """CRC-32C (RFC 3720 appendix B.4; S3's x-amz-checksum-crc32c) of `data`, continuing from `value`.

    `data` is any contiguous buffer and is not copied. Raises ValueError for a `value` outside 32 bits,
    BufferError or TypeError for a `data` that is no contiguous buffer.
    """
    result: int = _functions.crc32c(data, value)
    return result


def crc64nvme(data: Buffer, value: int = 0) -> int:
    """CRC-64/NVME (S3's x-amz-checksum-crc64nvme) of `data`, continuing from `value`; see :func:`crc32c`."""
    result: int = _functions.crc64nvme(data, value)
    return result
