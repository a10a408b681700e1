"""Runs a function whose system calls are interrupted again and again, by the kernel itself.

A seccomp filter hands the calls of the store to a supervisor (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)),
which answers EINTR and lets the repetition go on. Nothing of the Python code is replaced: what PEP 475
repeats is repeated by Python.

close(2) is left alone: the kernel's own closes although it says EINTR, and a filter's would not.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
from collections import Counter
from collections.abc import Callable

CALLS = {  # of x86-64
    "fstat": 5, "pread64": 17, "pwrite64": 18, "fcntl": 72, "fsync": 74, "fdatasync": 75, "ftruncate": 77,
    "chmod": 90, "chown": 92, "fstatfs": 138, "setxattr": 188, "fsetxattr": 190, "getxattr": 191,
    "fgetxattr": 193, "listxattr": 194, "removexattr": 197, "getdents64": 217,
    "openat": 257, "mkdirat": 258, "mknodat": 259, "newfstatat": 262, "unlinkat": 263, "renameat": 264,
    "linkat": 265, "symlinkat": 266, "readlinkat": 267, "utimensat": 280, "fallocate": 285, "dup3": 292,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "syncfs": 306, "renameat2": 316,
    "copy_file_range": 326, "openat2": 437,
}
_NAMES = {number: name for name, number in CALLS.items()}
SUPPORTED = platform.machine() == "x86_64"

_PR_SET_NO_NEW_PRIVS = 38
_SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER = 317, 1, 8
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K (linux/filter.h)
_USER_NOTIF, _ALLOW = 0x7FC00000, 0x7FFF0000
_RECV, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_*
_NOTICE, _ANSWER = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")
_GO_ON = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _listen() -> int:
    """Put this thread under the filter; the descriptor where its calls are asked about."""
    numbers = sorted(CALLS.values())
    rows = [(_LOAD, 0, 0, 0)]
    rows += [(_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    rows += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _USER_NOTIF)]
    program = _Program(len(rows), b"".join(struct.pack("HBBI", *row) for row in rows))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    fd = int(libc.syscall(_SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program)))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def _supervise(listener: int) -> Counter[str]:
    """Interrupt every call but its repetition, until the process has ended. How often each was.

    Each fourth time a few more go on, so that what is repeated as a whole, like realpath(3), ends.
    """
    told: Counter[str] = Counter()
    go_on: Counter[int] = Counter()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while not poll.poll()[0][1] & select.POLLHUP:
        notice = bytearray(_NOTICE.size)
        fcntl.ioctl(listener, _RECV, notice)
        number, *_, call = _NOTICE.unpack(notice)[:4]
        if go_on[call]:
            go_on[call] -= 1
            answer = _ANSWER.pack(number, 0, 0, _GO_ON)
        else:
            told[_NAMES[call]] += 1
            go_on[call] = 1 if told[_NAMES[call]] % 4 else 16
            answer = _ANSWER.pack(number, 0, -errno.EINTR, 0)
        fcntl.ioctl(listener, _SEND, answer)
    return told


def interrupting(act: Callable[[], object]) -> tuple[Counter[str], str]:
    """`act` in a child process: which calls were interrupted and how often, and what it ended with."""
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        ending = ""
        try:
            listener = _listen()
            socket.send_fds(theirs, [b"l"], [listener])
            os.close(listener)
            ending = repr(act())
        except BaseException as error:  # noqa: BLE001 - told in the parent
            ending = f"failed: {error!r}"
        finally:
            os.write(writing, ending.encode()[:4096])
            os._exit(0)
    theirs.close()
    os.close(writing)
    try:
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        told = _supervise(fds[0]) if fds else Counter()
        os.waitpid(child, 0)
        for fd in fds:
            os.close(fd)
        return told, os.read(reading, 4096).decode()
    finally:
        ours.close()
        os.close(reading)
