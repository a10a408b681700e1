"""Requests as bytes, signed by botocore, and answers read from a socket: for what no SDK would send."""

from __future__ import annotations

import contextlib
import hashlib
import socket
from dataclasses import dataclass
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY, Endpoint

_TOKEN_HOST = "s3.example"


@dataclass
class Answer:
    """A response: header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The S3 error's code, '' when the body names none."""
        _, found, rest = self.body.partition(b"<Code>")
        return rest.partition(b"<")[0].decode() if found else ""


def signed(
    method: str, target: str, body: bytes = b"", *, headers: dict[str, str] | None = None,
    host: str = _TOKEN_HOST, secret: str = SECRET_KEY, access_key: str = ACCESS_KEY,
    payload: str | None = None, send_body: bytes | None = None,
) -> bytes:
    """A whole request. payload: x-amz-content-sha256; send_body: other bytes than those that are signed."""
    digest = hashlib.sha256(body).hexdigest() if payload is None else payload
    fields = {"Host": host, **(headers or {})}
    request = AWSRequest(method, f"http://{host}{target}", headers=fields, data=body)
    request.context["payload_signing_enabled"] = True
    auth = S3SigV4Auth(Credentials(access_key, secret), "s3", "us-east-1")
    auth.payload = lambda _: digest
    auth.add_auth(request)
    sent = body if send_body is None else send_body
    length = {} if any(name.lower() in ("content-length", "transfer-encoding") for name in fields) else {
        "Content-Length": str(len(sent))}
    lines = [f"{method} {target} HTTP/1.1"]
    merged = {**dict(request.headers.items()), **length}
    lines += [f"{name}: {value}" for name, value in merged.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + sent


def read_answer(sock: socket.socket, buffer: bytearray | None = None, *, head_only: bool = False) -> Answer:
    """The next response on a connection; `buffer` keeps what comes after it."""
    data = bytearray() if buffer is None else buffer
    while b"\r\n\r\n" not in data:
        _more(sock, data)
    head, _, _ = bytes(data).partition(b"\r\n\r\n")
    del data[:len(head) + 4]
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status = int(status_line.split()[1])
    length = 0 if head_only or status in (100, 204, 304) else int(headers.get("content-length", "0"))
    while len(data) < length:
        _more(sock, data)
    body = bytes(data[:length])
    del data[:length]
    return Answer(status, headers, body)


def _more(sock: socket.socket, data: bytearray) -> None:
    received = sock.recv(65536)
    if not received:
        raise ConnectionError(f"closed after {bytes(data)!r}")
    data += received


def answers(port: int, wire: bytes) -> list[Answer]:
    """All answers to these bytes, until the server closes (or, with nothing left to say, we do)."""
    found: list[Answer] = []
    buffer = bytearray()
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        with contextlib.suppress(OSError):  # it may be refused while we send
            sock.sendall(wire)
            sock.shutdown(socket.SHUT_WR)
        while True:
            try:
                found.append(read_answer(sock, buffer))
            except ConnectionError:
                return found


def upload_in_chunks(target: str, body: bytes) -> bytes:
    """A signed upload of five bytes in aws-chunked framing, whose HTTP body is chunked, too."""
    return signed(
        "PUT", target, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER", send_body=body, headers={
            "Transfer-Encoding": "chunked", "Content-Encoding": "aws-chunked",
            "x-amz-decoded-content-length": "5",
        },
    )


def send(endpoint: Endpoint, request: bytes) -> Answer:
    """One request on a connection of its own."""
    with endpoint.connect() as sock:
        sock.sendall(request)
        return read_answer(sock, head_only=request.startswith(b"HEAD"))


def is_closed(sock: socket.socket) -> bool:
    """Whether the server closes the connection (waits for it)."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def presigned(endpoint: Endpoint, operation: str, parameters: dict[str, Any], **options: Any) -> str:
    """A pre-signed URL of boto3."""
    client = endpoint.client(**options)
    return client.generate_presigned_url(operation, Params=parameters, ExpiresIn=300)
