"""Requests to receivers: to the address that was judged, once, in bounded time."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.tls.certificates import issue, key_pem
from tests.unit.webhooks.receiver import Receiver, Request, accepting, answer, receiving
from weka_mp.tls import TlsSettings
from weka_mp.webhooks import DeliveryFailed, Target, WebhookClient, WebhookReply, WebhookTls


def client(
    receiver: Receiver, host: str = "127.0.0.1", *, secure: bool = False, **options: object
) -> WebhookClient:
    tls = options.pop("tls", WebhookTls())
    assert isinstance(tls, WebhookTls)
    return WebhookClient(Target(secure, host, receiver.port, "/p?q=1"), tls, **options)  # type: ignore[arg-type]


def sent(receiver: Receiver, host: str = "127.0.0.1", **options: object) -> WebhookReply:
    """By a client that ends with it."""
    with closing(client(receiver, host, **options)) as sender:  # type: ignore[arg-type]
        return sender.post(b"secret", {"Authorization": "T"})


def test_a_request_and_its_answer_over_a_kept_connection() -> None:
    with receiving() as receiver:
        sender = client(receiver)
        for _ in range(3):
            reply = sender.post(b"body", {"Authorization": "Splunk T"})
            assert (reply.accepted, reply.status, reply.text) == (True, 200, "ok")
        sender.close()
    assert receiver.connections == 1
    head = receiver.requests[0].head.decode()
    assert head.startswith("POST /p?q=1 HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{receiver.port}\r\n" in head
    assert "\r\nAuthorization: Splunk T" in head
    assert receiver.requests[0].body == b"body"


def test_a_kept_connection_that_ended_is_no_failure() -> None:
    def once(connection: socket.socket, request: Request) -> bool:
        accepting(connection, request)
        return False

    with receiving(once) as receiver:
        sender = client(receiver)
        assert sender.post(b"1", {}).accepted
        assert sender.post(b"2", {}).accepted
        sender.close()
    assert [request.body for request in receiver.requests] == [b"1", b"2"]


def test_a_redirection_is_not_followed() -> None:
    with receiving() as other:
        def elsewhere(connection: socket.socket, request: Request) -> bool:
            connection.sendall(answer("307 Go", b"", f"Location: http://127.0.0.1:{other.port}/"))
            return True

        with receiving(elsewhere) as receiver:
            reply = sent(receiver)
    assert (reply.accepted, reply.status, other.connections) == (False, 307, 0)


def test_what_proxies_the_environment_names_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert sent(receiver).accepted
    assert proxy.connections == 0


@pytest.mark.parametrize("addresses", [["169.254.169.254"], ["127.0.0.1", "::ffff:169.254.169.254"]])
def test_a_name_with_an_address_that_is_refused(addresses: list[str]) -> None:
    with receiving() as receiver:
        sender = client(receiver, "h.example", resolver=lambda host, port: addresses)
        with pytest.raises(DeliveryFailed, match="metadata"):
            sender.post(b"", {})
    assert receiver.connections == 0


def test_a_resolver_that_changes_its_mind_is_asked_once() -> None:
    """DNS rebinding: the address that is connected to is the one that was judged."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    with receiving() as receiver:
        sender = client(receiver, "rebinding.example", resolver=lambda host, port: next(answers))
        assert sender.post(b"1", {}).accepted
        sender.close()
        with pytest.raises(DeliveryFailed, match=r"169\.254\.169\.254"):
            sender.post(b"2", {})
    assert [request.body for request in receiver.requests] == [b"1"]


def test_the_first_address_that_answers() -> None:
    with receiving() as receiver:
        assert sent(receiver, "two.example", resolver=lambda host, port: ["127.0.0.2", "127.0.0.1"]).accepted


def drip(connection: socket.socket, request: Request) -> bool:
    stop = threading.Event()
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.wait(0.02):
        connection.sendall(b"X: y\r\n")
    return False


def silence(connection: socket.socket, request: Request) -> bool:
    connection.recv(1)
    return False


@pytest.mark.parametrize("script", [drip, silence])
def test_a_receiver_that_takes_its_time(script: object) -> None:
    with receiving(script) as receiver:  # type: ignore[arg-type]
        sender = client(receiver, seconds=0.3)
        with pytest.raises(DeliveryFailed, match=r"0\.3 s"):
            sender.post(b"", {})
        assert receiver.connections == 1, "what took too long is not tried again at once"


def test_a_handshake_that_takes_its_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        target = Target(True, "127.0.0.1", listening.getsockname()[1], "/")
        with pytest.raises(DeliveryFailed, match=r"0\.3 s"):
            WebhookClient(target, WebhookTls(), seconds=0.3).post(b"", {})


@pytest.mark.parametrize(
    "text",
    [b"", b"\x00\xff" * 10, b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
     b"HTTP/1.1 200 " + b"x" * 70000, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"],
)  # fmt: skip
def test_answers_that_are_none(text: bytes) -> None:
    def say(connection: socket.socket, request: Request) -> bool:
        connection.sendall(text)
        return False

    with receiving(say) as receiver:
        sender = client(receiver, seconds=5)
        try:
            shown = sender.post(b"", {}).text
        except DeliveryFailed as error:
            shown = str(error)
        sender.close()
    assert shown.isprintable()


def test_what_a_receiver_says_cannot_forge_a_line_of_the_log() -> None:
    def say(connection: socket.socket, request: Request) -> bool:
        connection.sendall(answer("400 Bad", b"no\r\n2026 info \x1b[31m all is well" + b"x" * 1000))
        return True

    with receiving(say) as receiver:
        reply = sent(receiver)
    assert reply.text.startswith("no??2026 info ?[31m all is well")
    assert len(reply.text) == 200


def server_context(name: str, folder: Path, *, ask: str | None = None) -> ssl.SSLContext:
    given = issue(name)
    path = folder / f"{name}.pem"
    path.write_text(key_pem(given.key) + given.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if ask is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ask)
    return context


def test_tls_is_verified(tmp_path: Path) -> None:
    context = server_context("h.example", tmp_path)
    ca = tmp_path / "ca.pem"
    ca.write_text((tmp_path / "h.example.pem").read_text())
    to_us = {"secure": True, "resolver": lambda host, port: ["127.0.0.1"]}
    with receiving(context=context) as receiver:
        trusted = WebhookTls(str(ca))
        assert sent(receiver, "h.example", tls=trusted, **to_us).accepted
        for name, tls in (("h.example", WebhookTls()), ("other.example", trusted)):
            with pytest.raises(DeliveryFailed, match="TLS"):
                sent(receiver, name, tls=tls, **to_us)
    assert len(receiver.requests) == 1


def test_the_services_own_certificate_is_shown_to_who_asks(tmp_path: Path) -> None:
    own = issue("us.example")
    pair = tmp_path / "own.pem"
    pair.write_text(key_pem(own.key) + own.pem)
    context = server_context("h.example", tmp_path, ask=own.pem)
    ca = str(tmp_path / "h.example.pem")
    to_us = {"secure": True, "resolver": lambda host, port: ["127.0.0.1"]}
    settings = TlsSettings(str(tmp_path), ((str(pair), str(pair)),))
    with receiving(context=context) as receiver:
        assert sent(receiver, "h.example", tls=WebhookTls(ca, settings), **to_us).accepted
        with pytest.raises(DeliveryFailed):
            sent(receiver, "h.example", tls=WebhookTls(ca), **to_us)
