"""Do the views answer? Asked as a client would, before the ready line and for /health/ready."""

from __future__ import annotations

import ssl

import trio

from weka_mp.config import Address
from weka_mp.supervise.listeners import reachable
from weka_mp.tls import TlsSettings

__all__ = ["s3_answers"]


async def s3_answers(address: Address, tls: TlsSettings | None = None, *, seconds: float) -> bool:
    """Whether an HTTP response to an unsigned request comes back within the time, whatever it says.

    Where clients must show certificates, which we have none of: whether it answers the handshake.
    """
    target = reachable(address)
    request = f"GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode("ascii")
    with trio.move_on_after(seconds):
        try:
            async with await trio.open_tcp_stream(target.host, target.port) as plain:
                stream = plain if tls is None else await _secured(plain, target.host)
                if tls is not None and tls.client_ca is not None:
                    return True
                await stream.send_all(request)
                return (await stream.receive_some(64)).startswith(b"HTTP/1.1 ")
        except (OSError, trio.BrokenResourceError) as error:
            refused = tls is not None and tls.client_ca is not None
            return refused and isinstance(error.__cause__, ssl.SSLError)
    return False


async def _secured(plain: trio.SocketStream, host: str) -> trio.abc.Stream:
    """Whether it answers is asked, not who answers: the address is our own listener's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    stream = trio.SSLStream(plain, context, server_hostname=host, https_compatible=True)
    await stream.do_handshake()
    return stream
