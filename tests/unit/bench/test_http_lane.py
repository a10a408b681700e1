"""The measuring client reads every framing that servers use, and tells a broken answer from a whole one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from weka_mp.bench.http_lane import Lane
from weka_mp.bench.targets import TargetFailed


@contextmanager
def _answering(*connections: bytes, bytewise: bool = False) -> Iterator[Lane]:
    """A server that sends one prepared answer to each connection, then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in connections:
                with listener.accept()[0] as peer:
                    peer.recv(65536)
                    for piece in [answer[at : at + 1] for at in range(len(answer))] if bytewise else [answer]:
                        peer.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        lane = Lane(*listener.getsockname())
        try:
            yield lane
        finally:
            lane.close()
            thread.join()


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH])
def test_bodies_of_every_framing(answer: bytes, bytewise: bool) -> None:
    with _answering(answer, bytewise=bytewise) as lane:
        assert lane.exchange(b"GET / HTTP/1.1\r\n\r\n") == (200, b"hello")


def test_a_head_has_no_body_and_204_has_none() -> None:
    with _answering(LENGTH.removesuffix(b"hello"), b"HTTP/1.1 204 No Content\r\n\r\n") as lane:
        assert lane.exchange(b"HEAD / HTTP/1.1\r\n\r\n", bodyless=True) == (200, b"")
        assert lane.exchange(b"DELETE / HTTP/1.1\r\n\r\n") == (204, b"")


def test_a_body_cut_short_is_a_failure() -> None:
    with _answering(LENGTH[:-2]) as lane, pytest.raises(TargetFailed, match="closed"):
        lane.exchange(b"GET / HTTP/1.1\r\n\r\n")


def test_nobody_there_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TargetFailed, match="refused"):
        Lane("127.0.0.1", port).exchange(b"GET / HTTP/1.1\r\n\r\n")
