"""One request at a time to one target, over a connection that is kept while it serves."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from weka_mp.tls import TlsSettings
from weka_mp.tls.kept import kept_path
from weka_mp.webhooks.addresses import refusal
from weka_mp.webhooks.target import Target

__all__ = ["DeliveryFailed", "Resolver", "WebhookClient", "WebhookReply", "WebhookTls", "resolve"]

Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) → its addresses. Raises OSError."""

_CONNECT_SECONDS: Final = 10.0
_REQUEST_SECONDS: Final = 30.0  # for connecting, TLS, sending, and the answer together
_MAX_ANSWER: Final = 64 * 1024  # bytes of an answer's body that are read; the connection is not kept then
_SHOWN: Final = 200  # characters of an answer for the log


class DeliveryFailed(Exception):
    """No answer was had; the message is one line."""


@dataclass(frozen=True, slots=True)
class WebhookReply:
    """status: of HTTP. text: the beginning of the body, printable."""

    status: int
    text: str

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class WebhookTls:
    """authorities: PEM of those that vouch for receivers; None: the system's. own: the certificates of the
    service, shown to receivers that ask for one; None: it has none to show.
    """

    authorities: str | None = None
    own: TlsSettings | None = None

    def context(self) -> ssl.SSLContext:
        """Made for each connection, so that new files count. Raises OSError (ssl.SSLError is one)."""
        made = ssl.create_default_context(cafile=self.authorities)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.own is not None:
            kept = kept_path(self.own.directory)
            certificate, key = self.own.pairs[0] if self.own.pairs else (kept, kept)
            made.load_cert_chain(certificate, key)
        return made


def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


class _Connection(http.client.HTTPConnection):
    """To an address that was judged; the host's name is for the Host header and the certificate alone."""

    def __init__(
        self, target: Target, tls: WebhookTls, resolver: Resolver, guard: Callable[[socket.socket], None]
    ) -> None:
        super().__init__(target.host, target.port, timeout=_CONNECT_SECONDS)
        self._target = target
        self._tls = tls
        self._resolver = resolver
        self._guard = guard

    def connect(self) -> None:
        raw = self._connected()
        self._guard(raw)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._target.secure:
                secured = self._tls.context().wrap_socket(
                    raw, server_hostname=self._target.host, do_handshake_on_connect=False
                )
                raw = secured
                self._guard(raw)  # before the handshake, which a receiver may draw out as well
                secured.do_handshake()
        except BaseException:
            raw.close()
            raise
        self.sock = raw

    def _connected(self) -> socket.socket:
        """Raises DeliveryFailed (a refused address), OSError (of the last address tried)."""
        target = self._target
        addresses = self._resolver(target.host, target.port)
        for address in addresses:
            why = refusal(address)
            if why is not None:  # one of several is enough: whoever answers chooses their order, too
                raise DeliveryFailed(f"{target.host} has the address {address}, which is {why}")
        failure: OSError = OSError(f"{target.host} has no address")
        for address in addresses:
            try:
                return socket.create_connection((address, target.port), _CONNECT_SECONDS)
            except OSError as error:
                failure = error
        raise failure


class WebhookClient:
    """Of one target. Not thread-safe; `interrupt` may come from any thread."""

    def __init__(
        self, target: Target, tls: WebhookTls, *, resolver: Resolver = resolve,
        seconds: float = _REQUEST_SECONDS,
    ) -> None:
        """seconds: for one request, whatever the receiver does."""
        self.target = target
        self._tls = tls
        self._resolver = resolver
        self._seconds = seconds
        self._kept: _Connection | None = None
        self._socket: socket.socket | None = None
        self._late = False

    def post(self, body: bytes, headers: Mapping[str, str]) -> WebhookReply:
        """Raises DeliveryFailed. A connection that was kept may have ended meanwhile: one more is tried."""
        if self._kept is not None:
            try:
                return self._exchange(self._kept, body, headers)
            except DeliveryFailed:
                if self._late:
                    raise
        return self._exchange(
            _Connection(self.target, self._tls, self._resolver, self._watch), body, headers
        )

    def close(self) -> None:
        """Let the connection go."""
        if self._kept is not None:
            self._kept.close()
        self._kept = self._socket = None

    def _watch(self, connected: socket.socket) -> None:
        self._socket = connected
        if self._late:
            raise TimeoutError("no answer in time")

    def interrupt(self) -> None:
        """End the request under way."""
        self._late = True
        under_way = self._socket
        if under_way is not None:
            try:
                # The raw socket's: SSLSocket.shutdown would drop its state under the other thread's feet.
                socket.socket.shutdown(under_way, socket.SHUT_RDWR)
            except OSError:
                return  # it had ended by itself

    def _exchange(self, connection: _Connection, body: bytes, headers: Mapping[str, str]) -> WebhookReply:
        """A time-out of each read would let a receiver drip its answer for ever: a timer ends the whole."""
        self._late, self._kept = False, None
        timer = threading.Timer(self._seconds, self.interrupt)
        timer.daemon = True
        timer.start()
        try:
            return self._asked(connection, body, headers)
        except DeliveryFailed:
            connection.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise DeliveryFailed(self._reason(error)) from error
        finally:
            timer.cancel()

    def _asked(self, connection: _Connection, body: bytes, headers: Mapping[str, str]) -> WebhookReply:
        connection.request(
            "POST", self.target.resource, body,
            {"Host": self.target.authority, "User-Agent": "weka_mp", "Accept": "*/*", **headers},
        )
        response = connection.getresponse()
        text = response.read(_MAX_ANSWER)
        if self._late:  # what was cut off looks like a head that has ended
            raise TimeoutError("no answer in time")
        if response.will_close or not response.isclosed():
            connection.close()
        else:
            self._kept = connection
        return WebhookReply(response.status, _printable(text))

    def _reason(self, error: Exception) -> str:
        if self._late:
            return f"no answer within {self._seconds:g} s"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"TLS: {error.verify_message}"
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return _printable(str(text).encode("utf-8", "replace"))


def _printable(text: bytes) -> str:
    """What a stranger wrote, as one line of a log may hold it."""
    shown = text[:_SHOWN].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in shown)
