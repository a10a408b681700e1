"""The endpoint's limits, each against the attack it is for (docs/LIMITS.md tells operators the same).

The protocol core has its own: bytes of a head and of a body thrown away (s3.connection), of an XML body
(s3.bodies), of a chunk's header and of trailers (s3.aws_chunked).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["Limits"]

_KIB: Final = 1024
_OWN_DESCRIPTORS: Final = 64  # of a worker: the control area, sockets it listens on, ways to keys


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are seconds, sizes bytes.

    head_seconds:  slow heads (Slowloris): from a head's first byte to its last.
    idle_seconds:  connections kept open for nothing.
    body_stall_seconds: bodies that stop: the longest wait for any byte of a body.
    body_grace_seconds, bytes_per_second: bodies that trickle: what a body must reach on the whole, after a
        grace; 0 asks for nothing.
    keep_alive_seconds: clients and proxies that give up where nothing comes: how often they get white space
        while a completion or a copy of a part takes its time.
    send_stall_seconds, bytes_per_second: readers that do not read: what a client must have taken after so
        much waiting for it, at least a byte.
    linger_seconds: how long a client whose request was refused may take to read the answer.
    connections:   descriptors and memory, by connections from everywhere.
    connections_per_address: the same from one place.
    partings:      floods: connections beyond those two that are told so at once; others are closed silently.
    requests_per_user, requests_per_address: one who takes the time of all others: requests a second of one
        user's credentials together, and of one address (an IPv6 /64); 0 asks for nothing.
    guesses_at_once, guesses_per_second, guess_wait_seconds: guessing of secrets, and the work of refusing:
        signatures of one address that are wrong; who sends more waits for the refusals, so long at most.
    stop_seconds:  how long a stopping server lets requests finish.
    """

    head_seconds: float = 30.0
    idle_seconds: float = 75.0
    body_stall_seconds: float = 30.0
    body_grace_seconds: float = 30.0
    bytes_per_second: int = 1 * _KIB
    keep_alive_seconds: float = 5.0
    send_stall_seconds: float = 60.0
    linger_seconds: float = 2.0
    connections: int = 4096
    connections_per_address: int = 1024
    partings: int = 64
    requests_per_user: int = 0
    requests_per_address: int = 0
    guesses_at_once: int = 20
    guesses_per_second: float = 10.0
    guess_wait_seconds: float = 5.0
    stop_seconds: float = 20.0

    def within(self, descriptors: int) -> Limits:
        """These limits where a process may have so many descriptors: idle clients cannot take those that
        requests need to open objects, and who comes too late is told so rather than left waiting.
        """
        partings = max(min(self.partings, descriptors // 8), 1)
        room = (descriptors - _OWN_DESCRIPTORS - partings) // 2  # a connection, and the object it asks for
        return replace(self, connections=max(min(self.connections, room), 1), partings=partings)
