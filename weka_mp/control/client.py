"""Asks a running service over its admin socket, or its network address; synchronous, for the command line."""

from __future__ import annotations

import http.client
import json
import socket
import ssl

__all__ = ["AdminClient", "Refused", "Unreachable"]


class Unreachable(Exception):
    """No service answers at the socket."""


class Refused(Exception):
    """The service answered with an error; the message is its reason, `code` its name where it has one."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class AdminClient:
    """`path` is the socket, or (host, port), with TLS where there is a context; `timeout` in seconds bounds
    each request.
    """

    def __init__(
        self, path: str | tuple[str, int], *, timeout: float = 35.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._path = path
        self._tls = tls
        self._timeout = timeout

    def request(
        self, method: str, path: str, body: object = None, *, authorization: str = ""
    ) -> dict[str, object]:
        """The JSON object answered. Raises Unreachable, Refused."""
        connection = self._connection()
        headers = {"Content-Type": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self._shown()}: {error}") from error
        except ValueError as error:
            raise Refused("the service answered with something that is not JSON") from error
        finally:
            connection.close()
        if not isinstance(answer, dict):
            raise Refused("the service answered with something that is no JSON object")
        if response.status >= 400:
            raise Refused(str(answer.get("error", response.reason)), str(answer.get("code", "")))
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if isinstance(self._path, str):
            return _UnixConnection(self._path, self._timeout)
        if self._tls is not None:
            return http.client.HTTPSConnection(*self._path, timeout=self._timeout, context=self._tls)
        return http.client.HTTPConnection(*self._path, timeout=self._timeout)

    def _shown(self) -> str:
        return self._path if isinstance(self._path, str) else f"{self._path[0]} port {self._path[1]}"
