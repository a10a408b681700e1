"""Asks a running service over its admin socket; synchronous, for the command line."""

from __future__ import annotations

import http.client
import json
import socket

__all__ = ["AdminClient", "Refused", "Unreachable"]


class Unreachable(Exception):
    """No service answers at the socket."""


class Refused(Exception):
    """The service answered with an error; the message is its reason."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class AdminClient:
    """`path` is the socket; `timeout` in seconds bounds each request."""

    def __init__(self, path: str, *, timeout: float = 35.0) -> None:
        self._path = path
        self._timeout = timeout

    def request(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """The JSON object answered. Raises Unreachable, Refused."""
        connection = _UnixConnection(self._path, self._timeout)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self._path}: {error}") from error
        except ValueError as error:
            raise Refused("the service answered with something that is not JSON") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(str(answer.get("error", response.reason)))
        return dict(answer)
