"""The plain HTTP of the administration: any split reads the same, the ambiguous is refused."""

from http import HTTPStatus
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.control.http import MAX_HEAD, BadRequest, Request, RequestReader, json_response

POST = b"POST /api/v2/etag/fill?x=1 HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\n{}  rest"


@given(st.lists(st.integers(0, len(POST)), max_size=5))
def test_any_split_gives_the_same_request(cuts: list[int]) -> None:
    reader, seen = RequestReader(), None
    edges = [0, *sorted(cuts), len(POST)]
    for start, end in pairwise(edges):
        seen = seen or reader.feed(POST[start:end])
    assert seen == Request("POST", "/api/v2/etag/fill", b"{}  ", query="x=1")
    assert seen.json() == {}


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_incomplete(data: bytes) -> None:
    try:
        assert isinstance(RequestReader().feed(data + b"\r\n\r\n"), Request | None)
    except BadRequest as error:
        assert 400 <= error.status < 600


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /api/v2/login HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n", 403),
        (b"POST /api/v2/login HTTP/1.1\r\nOrigin: null\r\n\r\n", 403),
        (b"GET /metrics HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403),
        (b"GET /metrics HTTP/1.1\r\nSec-Fetch-Site: same-origin\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * MAX_HEAD, 431),
    ],
)
def test_what_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as refusal:
        RequestReader().feed(data)
    assert refusal.value.status == status


@pytest.mark.parametrize("host", [
    "127.0.0.1", "127.0.0.1:14000", "10.1.2.3:80", "[::1]:14000", "[fe80::1]", "[::ffff:10.0.0.1]:1",
    "localhost", "LOCALHOST:1", "x.localhost", "storage", "Storage.Example.", "storage.example:14000", "",
])  # fmt: skip
def test_who_asks_for_us_by_our_name_is_served(host: str) -> None:
    request = f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    found = RequestReader({"storage.example"}).feed(request)
    assert found is not None
    assert found.path == "/metrics"
    assert RequestReader({"storage.example"}).feed(b"GET /metrics HTTP/1.0\r\n\r\n") is not None


@pytest.mark.parametrize(("host", "status"), [
    ("evil.example", 421), ("evil.example:14000", 421), ("storage.example.evil.example", 421),
    ("localhost.evil", 421),
    ("127.0.0.1.evil.example", 421), ("127.0.0.1:1:2", 421), ("a@127.0.0.1", 421), ("1.2.3.4.5", 421),
    ("127.0.0.1\r\nHost: evil.example", 400),
])  # fmt: skip
def test_regression_a_page_whose_own_name_leads_here_is_refused(host: str, status: int) -> None:
    """Its browser says nothing of a page: to it we are of its origin."""
    with pytest.raises(BadRequest) as refusal:
        RequestReader({"storage.example"}).feed(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert refusal.value.status == status


@pytest.mark.parametrize(
    "body", [b"[1]", b"{", b"\xff", b"[" * 60_000, b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 1}}']
)
def test_bodies_that_are_no_object(body: bytes) -> None:
    with pytest.raises(BadRequest):
        Request("POST", "/", body).json()


def test_a_response_is_exact() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
        b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    response = json_response(HTTPStatus.OK, {"a": 1})
    assert response.encode() == head + b'{"a": 1}\n'
    assert response.encode(head_only=True) == head


def test_the_authorization_is_kept_and_not_shown() -> None:
    request = RequestReader().feed(b"GET /a HTTP/1.1\r\nAUTHORIZATION: Bearer abc.def \r\n\r\n")
    assert request is not None
    assert request.authorization == "Bearer abc.def"
    assert "abc" not in repr(request)
    assert "word" not in repr(Request("POST", "/", b'{"password": "word"}'))


def test_who_types_an_address_into_a_browser_is_answered() -> None:
    assert RequestReader().feed(b"GET /metrics HTTP/1.1\r\nSec-Fetch-Site: none\r\n\r\n") is not None
