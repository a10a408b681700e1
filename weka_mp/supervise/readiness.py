"""Do the views answer? Asked as a client would, before the ready line and for /health/ready."""

from __future__ import annotations

import trio

from weka_mp.config import Address
from weka_mp.supervise.listeners import reachable

__all__ = ["s3_answers"]


async def s3_answers(address: Address, *, seconds: float) -> bool:
    """Whether an HTTP response to an unsigned request comes back within the time, whatever it says."""
    target = reachable(address)
    request = f"GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode("ascii")
    with trio.move_on_after(seconds):
        try:
            async with await trio.open_tcp_stream(target.host, target.port) as stream:
                await stream.send_all(request)
                return (await stream.receive_some(64)).startswith(b"HTTP/1.1 ")
        except (OSError, trio.BrokenResourceError):
            return False
    return False
