"""NFS 4.0 by hand (RFC 7530, RFC 5531): what a client does with a file handle that it has kept.

Reads go without an open, with the anonymous state id (RFC 7530, section 9.1.4.3), so that nothing but the
handle has to outlive a restart.
"""

from __future__ import annotations

import socket
import struct

PUTFH, PUTROOTFH, GETFH, LOOKUP, LOOKUPP, READ = 22, 24, 10, 15, 16, 25
_PREFIX_OF_RESULT = 8  # bytes: operation, status


class Refused(Exception):
    """The status of the first operation that failed (RFC 7530, section 13)."""

    def __init__(self, status: int) -> None:
        super().__init__(f"NFS4ERR {status}")
        self.status = status


def _opaque(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def _privileged_socket() -> socket.socket:
    for port in range(1023, 600, -1):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Closed at once, the port is free for the next call: there are few of them.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.close()
            continue
        return sock
    raise AssertionError("no privileged port is free")


def compound(port: int, *operations: bytes, privileged: bool = True) -> bytes:
    """The results after the head of the reply.

    Raises Refused when an operation failed, OSError without an answer.
    """
    credential = _opaque(struct.pack(">II", 0, 0) + struct.pack(">III", 0, 0, 0))  # AUTH_SYS: root
    head = struct.pack(">7I", 1, 0, 2, 100003, 4, 1, 1) + credential + struct.pack(">II", 0, 0)
    call = head + _opaque(b"") + struct.pack(">II", 0, len(operations)) + b"".join(operations)
    with _privileged_socket() if privileged else socket.socket() as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        sock.sendall(struct.pack(">I", 0x80000000 | len(call)) + call)
        reply = b""
        while True:
            (mark,) = struct.unpack(">I", _exactly(sock, 4))
            reply += _exactly(sock, mark & 0x7FFFFFFF)
            if mark & 0x80000000:
                break
    xid, kind, accepted, _, verifier = struct.unpack(">5I", reply[:20])
    assert (xid, kind) == (1, 1)
    if accepted != 0:
        raise PermissionError("the call was denied")
    rest = reply[20 + verifier :]
    (status,) = struct.unpack(">I", rest[:4])
    if status != 0:
        raise PermissionError(f"the call was not accepted: {status}")
    status, tag = struct.unpack(">II", rest[4:12])
    if status != 0:
        raise Refused(status)
    return rest[12 + tag + 4 :]


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed in the middle of a reply")
        data += piece
    return data


def handle_of(port: int, *names: str) -> bytes:
    """The file handle at the end of a path from the server's root."""
    lookups = [struct.pack(">I", LOOKUP) + _opaque(name.encode()) for name in names]
    results = compound(port, struct.pack(">I", PUTROOTFH), *lookups, struct.pack(">I", GETFH))
    results = results[_PREFIX_OF_RESULT * (1 + len(names)) + _PREFIX_OF_RESULT :]
    (length,) = struct.unpack(">I", results[:4])
    return results[4 : 4 + length]


def read_by_handle(port: int, handle: bytes, *names: str, size: int = 65536) -> bytes:
    """Up to `size` bytes of the file behind a handle, or below a directory's."""
    put = struct.pack(">I", PUTFH) + _opaque(handle)
    lookups = [struct.pack(">I", LOOKUP) + _opaque(name.encode()) for name in names]
    read = struct.pack(">I", READ) + bytes(16) + struct.pack(">QI", 0, size)
    results = compound(port, put, *lookups, read)[_PREFIX_OF_RESULT * (1 + len(names)) + _PREFIX_OF_RESULT :]
    _, length = struct.unpack(">II", results[:8])
    return results[8 : 8 + length]


def look_up(port: int, handle: bytes, *names: str) -> None:
    """Only whether a handle is taken, and names below it; ``..`` is LOOKUPP."""
    put = struct.pack(">I", PUTFH) + _opaque(handle)
    steps = [
        struct.pack(">I", LOOKUPP) if name == ".." else struct.pack(">I", LOOKUP) + _opaque(name.encode())
        for name in names
    ]
    compound(port, put, *steps, struct.pack(">I", GETFH))
