"""The checksum kernels equal their definition, awscrt and each other, whatever the type of the buffer."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import awscrt.checksums
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weka_mp import crc_reference, kernels

Checksum = Callable[..., int]
PAIRS = [
    pytest.param(kernels.crc32c, crc_reference.CRC32C, awscrt.checksums.crc32c, id="crc32c"),
    pytest.param(kernels.crc64nvme, crc_reference.CRC64NVME, awscrt.checksums.crc64nvme, id="crc64nvme"),
]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    kernels.use_native(True)
    yield
    kernels.use_native(True)


@pytest.fixture
def compiler() -> str:
    return os.environ.get("CC", "cc")


def test_the_native_library_is_built_and_used() -> None:
    found = kernels.describe()
    assert found.native, found.reason
    assert found.path == kernels.library_path()


@pytest.mark.parametrize("native", [True, False])
def test_check_values_of_the_standards(native: bool) -> None:
    kernels.use_native(native)
    assert kernels.crc32(b"123456789") == 0xCBF43926
    assert kernels.crc32c(b"123456789") == 0xE3069283
    assert kernels.crc32c(bytes(32)) == 0x8A9136AA
    assert kernels.crc64nvme(b"123456789") == 0xAE8B14860A799888
    assert kernels.crc32c(b"") == kernels.crc64nvme(b"") == kernels.crc32(b"") == 0


@pytest.mark.parametrize(("native", "twin", "crt"), PAIRS)
@given(data=st.binary(max_size=700), seed=st.integers(0, 2**64 - 1))
def test_native_twin_and_awscrt_agree(
    native: Checksum, twin: crc_reference.ReflectedCrc, crt: Checksum, data: bytes, seed: int
) -> None:
    value = seed & ((1 << twin.width) - 1)
    ones = (1 << twin.width) - 1
    assert native(data, value) == twin(data, value) == crt(data, value)
    assert crc_reference.update_bitwise(twin.polynomial, value ^ ones, data) ^ ones == twin(data, value)


@pytest.mark.parametrize(("native", "twin", "crt"), PAIRS)
@given(pieces=st.lists(st.binary(max_size=200), max_size=8))
def test_pieces_continue(
    native: Checksum, twin: crc_reference.ReflectedCrc, crt: Checksum, pieces: list[bytes]
) -> None:
    by_native = by_twin = 0
    for piece in pieces:
        by_native, by_twin = native(piece, by_native), twin(piece, by_twin)
    assert by_native == by_twin == crt(b"".join(pieces))


@pytest.mark.parametrize(("native", "twin", "crt"), PAIRS)
@pytest.mark.parametrize("length", [kernels.HOLD_GIL_BELOW - 1, kernels.HOLD_GIL_BELOW, 1_000_003, 2_097_155])
def test_both_sides_of_the_interpreter_lock(
    native: Checksum, twin: crc_reference.ReflectedCrc, crt: Checksum, length: int
) -> None:
    data = (bytes(range(256)) * (length // 256 + 1))[:length]
    assert native(data) == twin(data) == crt(data)


@pytest.mark.parametrize(("native", "twin", "crt"), PAIRS)
@given(extra=st.integers(-300, 70_000), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=15)
def test_lanes_of_the_twin_agree(
    native: Checksum, twin: crc_reference.ReflectedCrc, crt: Checksum, extra: int, seed: int
) -> None:
    data = random.Random(seed).randbytes(crc_reference.LANES_FROM + extra)
    value = seed & ((1 << twin.width) - 1)
    assert twin(data, value) == native(data, value)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("function", [kernels.crc32, kernels.crc32c, kernels.crc64nvme])
def test_any_contiguous_buffer_is_accepted(function: Checksum, on: bool) -> None:
    kernels.use_native(on)
    data = bytes(range(200)) * 7
    wanted = function(data)
    assert function(bytearray(data)) == wanted
    assert function(memoryview(data)) == wanted
    assert function(memoryview(bytearray(data))) == wanted
    assert function(memoryview(data).cast("I")) == wanted
    assert function(memoryview(b"x" + data + b"y")[1:-1]) == wanted
    assert function(memoryview(b"")) == 0


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("function", [kernels.crc32c, kernels.crc64nvme])
def test_what_is_no_buffer_or_no_checksum_is_refused(function: Checksum, on: bool) -> None:
    kernels.use_native(on)
    with pytest.raises(BufferError):
        function(memoryview(b"abcdef")[::2])
    with pytest.raises(TypeError):
        function("text")
    with pytest.raises(ValueError, match="bits"):
        function(b"", -1)
    with pytest.raises(ValueError, match="bits"):
        function(b"", 1 << 64)


def test_a_buffer_is_let_go_again() -> None:
    data = bytearray(100)
    kernels.crc32c(data)
    data.extend(b"more")  # BufferError while anybody still holds its memory
    assert kernels.crc32c(data) == kernels.crc32c(bytes(data))


def test_crc32_is_zlibs() -> None:
    assert kernels.crc32(b"b", kernels.crc32(b"a")) == zlib.crc32(b"ab")


def test_turned_off_by_the_caller_and_on_again() -> None:
    off = kernels.use_native(False)
    assert (off.native, off.path) == (False, None)
    assert "turned off" in off.reason
    assert kernels.describe() is off
    assert kernels.use_native(True).native


def test_turned_off_by_the_environment() -> None:
    program = (
        "from weka_mp import kernels as k; found = k.describe();"
        "print(found.native, found.reason, k.crc32c(b'123456789'))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "WEKA_MP_NO_NATIVE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == f"False turned off by WEKA_MP_NO_NATIVE {0xE3069283}"


def test_not_built(tmp_path: Path) -> None:
    with pytest.raises(kernels.NativeNotBuilt, match="not built"):
        kernels.load_library(tmp_path / "absent.so")
    found = kernels.use_native(True, tmp_path / "absent.so")
    assert not found.native
    assert "not built" in found.reason
    assert kernels.crc32c(b"123456789") == 0xE3069283


def test_not_loadable(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.so"
    rubbish.write_bytes(b"this is no library")
    with pytest.raises(kernels.NativeNotLoadable, match="can not be loaded"):
        kernels.load_library(rubbish)
    assert not kernels.use_native(True, rubbish).native


def compiled(compiler: str, folder: Path, source: str) -> Path:
    (folder / "other.c").write_text(source)
    library = folder / "other.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "other.c"], check=True)
    return library


def test_a_library_of_something_else(tmp_path: Path, compiler: str) -> None:
    library = compiled(compiler, tmp_path, "int nothing_of_ours(void) { return 0; }")
    with pytest.raises(kernels.NativeNotLoadable, match="wk_abi_version"):
        kernels.load_library(library)


def test_a_library_that_lacks_a_function(tmp_path: Path, compiler: str) -> None:
    source = f"""
    unsigned wk_abi_version(void) {{ return {kernels.ABI_VERSION}; }}
    unsigned wk_best_path(void) {{ return 2; }}
    """
    library = compiled(compiler, tmp_path, source)
    found = kernels.use_native(True, library)
    assert not found.native
    assert "wk_crc32c" in found.reason


def test_a_library_of_another_version(tmp_path: Path, compiler: str) -> None:
    library = compiled(compiler, tmp_path, "unsigned wk_abi_version(void) { return 4711; }")
    with pytest.raises(kernels.NativeAbiMismatch, match="4711"):
        kernels.load_library(library)
    found = kernels.use_native(True, library)
    assert not found.native
    assert "build it again" in found.reason
