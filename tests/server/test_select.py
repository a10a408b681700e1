"""SelectObjectContent as boto3 uses it: what queries answer, what they may not do, and how they end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.identities import running_office
from tests.server.raw_http import send, signed
from tests.server.test_limits import connect_narrow
from weka_mp.server import select_answer
from weka_mp.server.limits import Limits

CSV = b'name,age\nann,30\nbob,5\n'
USE = {"CSV": {"FileHeaderInfo": "USE"}}
NONE: dict[str, Any] = {"CSV": {}}
SELECT_ALL = (
    b"<SelectObjectContentRequest><Expression>SELECT * FROM S3Object</Expression>"
    b"<ExpressionType>SQL</ExpressionType><InputSerialization><CSV/></InputSerialization>"
    b"<OutputSerialization><CSV/></OutputSerialization></SelectObjectContentRequest>"
)
MANY = b"".join(b"%d,abc\n" % number for number in range(300_000))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root: Path = tmp_path_factory.mktemp("select") / "store"
    root.mkdir()
    with running_endpoint(root) as running:
        client = running.client()
        client.create_bucket(Bucket="bucket")
        for key, body in (("csv", CSV), ("many", MANY)):
            client.put_object(Bucket="bucket", Key=key, Body=body)
        yield running


def events(place: Endpoint, key: str, expression: str, source: Any, **more: Any) -> list[Any]:
    client = place.client()
    with contextlib.closing(client):
        answer = client.select_object_content(
            Bucket="bucket", Key=key, Expression=expression, ExpressionType="SQL", InputSerialization=source,
            OutputSerialization={"CSV": {}}, **more,
        )
        with contextlib.closing(answer["Payload"]) as payload:
            return list(payload)


def test_an_answer(place: Endpoint) -> None:
    found = events(
        place, "csv", "SELECT name FROM S3Object WHERE age > 9", USE, RequestProgress={"Enabled": True}
    )
    details = {"BytesScanned": len(CSV), "BytesProcessed": 13, "BytesReturned": 4}
    assert found == [
        {"Records": {"Payload": b"ann\n"}}, {"Progress": {"Details": details}},
        {"Stats": {"Details": details}}, {"End": {}},
    ]


@pytest.mark.parametrize(("key", "expression", "code"), [
    ("csv", "SELECT nope FROM S3Object", "MissingHeaders"),
    ("missing", "SELECT * FROM S3Object", "NoSuchKey"),
    ("csv", "SELECT * FROM read_csv('/etc/passwd')", "ParseUnsupportedSyntax"),
])
def test_errors_before_the_beginning(place: Endpoint, key: str, expression: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        events(place, key, expression, USE)
    assert caught.value.response["Error"]["Code"] == code


def test_an_error_behind_the_beginning_ends_the_answer(place: Endpoint) -> None:
    last = "SELECT CAST(coalesce(nullif(_1, '299999'), 'x') AS INT) FROM S3Object"
    with pytest.raises(EventStreamError) as caught:
        events(place, "many", last, NONE)
    assert caught.value.response["Error"]["Code"] == "CastFailed"


def test_who_may(tmp_path: Path) -> None:
    with running_office(tmp_path) as office:
        root = office.endpoint.client()
        root.create_bucket(Bucket="bucket")
        root.put_object(Bucket="bucket", Key="csv", Body=CSV)
        document = (
            b"<SelectObjectContentRequest><Expression>select * from s3object</Expression><ExpressionType>SQL"
            b"</ExpressionType><InputSerialization><CSV/></InputSerialization><OutputSerialization><CSV/>"
            b"</OutputSerialization></SelectObjectContentRequest>"
        )
        target = "/bucket/csv?select&select-type=2"
        assert send(office.endpoint, signed("POST", target, document)).status == 200
        lines = [f"POST {target} HTTP/1.1", "Host: a", f"Content-Length: {len(document)}", "", ""]
        assert send(office.endpoint, "\r\n".join(lines).encode() + document).status == 403


def test_regression_a_slow_reader_does_not_hold_a_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four of them held all queries of a worker: a byte now and then was enough for the rule that all answers
    have.
    """
    monkeypatch.setattr(select_answer, "_LEAST_RATE", 1 << 30)  # what kernels buffer is no time won
    limits = Limits(body_grace_seconds=1, bytes_per_second=0)
    with running_endpoint(tmp_path, limits=limits) as place:
        client = place.client()
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="many", Body=MANY * 4)
        request = signed("POST", "/bucket/many?select=&select-type=2", SELECT_ALL)
        with connect_narrow(place) as sock:
            sock.sendall(request)
            taken = len(sock.recv(4096))
            with pytest.raises(ConnectionResetError):
                while data := sock.recv(4096):
                    taken += len(data)
                    time.sleep(0.05)
        assert taken < len(MANY) * 4


def test_no_process_is_left(place: Endpoint) -> None:
    """Neither of a query whose client went away in the middle of it."""
    client = place.client()
    answer = client.select_object_content(
        Bucket="bucket", Key="many", Expression="SELECT * FROM S3Object", ExpressionType="SQL",
        InputSerialization=NONE, OutputSerialization={"CSV": {}},
    )
    next(iter(answer["Payload"]))
    answer["Payload"].close()
    client.close()
    deadline = time.monotonic() + 20
    while children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children() == []


def children() -> list[str]:
    """Command lines of queries that this process has started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if b"weka_mp.select.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
    return found
