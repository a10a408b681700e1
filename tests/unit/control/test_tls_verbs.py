"""The certificate over the administration API: what it shows, takes, and never gives out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.namespace.kit import FixedClock
from tests.unit.tls.certificates import issue, key_pem
from weka_mp.clock import SeededRandom, SystemClock
from weka_mp.control.desk import Answer, Desk, Question
from weka_mp.control.identity_routes import answer, find
from weka_mp.control.tls_verbs import TlsState
from weka_mp.identity import RootKeys
from weka_mp.namespace import Namespace
from weka_mp.store.memory import MemoryStore
from weka_mp.supervise.identities import open_desk
from weka_mp.tls import KeptCertificate

GIVEN = issue("s3.example")
BODY = {"certificate": GIVEN.pem, "private_key": key_pem(GIVEN.key)}


@pytest.fixture
def kept(tmp_path: Path) -> KeptCertificate:
    return KeptCertificate(str(tmp_path / "state"), SystemClock())


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace.open(MemoryStore(), clock=FixedClock(), random=SeededRandom(3)) as opened:
        yield opened


@pytest.fixture
def desk(namespace: Namespace, kept: KeptCertificate, tmp_path: Path) -> Iterator[Desk]:
    made = open_desk(
        namespace, "/nowhere", str(tmp_path / "state"), RootKeys("root", "secret"), TlsState(kept, True)
    )
    yield made
    made.close()


def ask(desk: Desk, method: str, path: str = "/tls", body: dict[str, object] | None = None) -> Answer:
    question = Question(method, f"/api/v2{path}", body or {}, trusted=True)
    found = find(method, question.path)
    assert found is not None
    return answer(desk, question, *found)


def told(done: Answer) -> Any:
    assert done.status == 200, done.content
    return done.content["data"]


def test_from_self_signed_to_given_and_back(desk: Desk, kept: KeptCertificate) -> None:
    assert told(ask(desk, "GET")) == {"serving": True, "source": "none"}  # to ask is no error
    assert ask(desk, "GET", "/tls/certificate").status == ask(desk, "DELETE").status == 404
    kept.make_own(["localhost"])
    own = told(ask(desk, "GET"))
    assert (own["serving"], own["source"], own["names"]) == (True, "self-signed", ["localhost"])
    given = told(ask(desk, "PUT", body=BODY))
    assert (given["source"], given["names"]) == ("set", ["s3.example"])
    assert told(ask(desk, "GET")) == given
    assert told(ask(desk, "GET", "/tls/certificate")) == {"certificate": GIVEN.pem}
    assert told(ask(desk, "DELETE")) == own
    assert ask(desk, "DELETE").status == 404


def test_the_key_is_never_given_out(
    desk: Desk, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = BODY["private_key"].splitlines()[1]
    done = [ask(desk, "PUT", body=BODY), ask(desk, "GET"), ask(desk, "GET", "/tls/certificate")]
    done.append(ask(desk, "PUT", body={**BODY, "certificate": issue("other").pem}))
    done.append(ask(desk, "PUT", body={**BODY, "more": "x"}))
    assert [each.status for each in done] == [200, 200, 200, 400, 400]
    shown = json.dumps([each.content for each in done]) + caplog.text + repr(desk.tls)
    assert secret not in shown and "PRIVATE" not in shown
    assert secret in (tmp_path / "state" / "tls-certificate.pem").read_text()


@pytest.mark.parametrize("body", [
    {}, {"certificate": GIVEN.pem}, {"private_key": BODY["private_key"]}, {**BODY, "certificate": ["x"]},
    {**BODY, "certificate": "ü"}, {**BODY, "private_key": "nothing"},
])  # fmt: skip
def test_half_of_it_is_nothing(desk: Desk, kept: KeptCertificate, body: dict[str, object]) -> None:
    assert ask(desk, "PUT", body=body).status == 400
    assert not kept.is_given


def test_files_are_replaced_where_they_lie(
    namespace: Namespace, kept: KeptCertificate, tmp_path: Path
) -> None:
    files = (GIVEN.write(tmp_path, "given")[0],)
    state = TlsState(kept, True, files)
    desk = open_desk(namespace, "/nowhere", str(tmp_path / "state"), None, state)
    shown = told(ask(desk, "GET"))
    assert (shown["source"], shown["names"]) == ("files", ["s3.example"])
    for method, body in (("PUT", BODY), ("DELETE", {})):
        done = ask(desk, method, body=body)
        assert (done.status, done.content["code"]) == (409, "InUse")
        assert files[0] in str(done.content["error"])
    Path(files[0]).unlink()
    assert ask(desk, "GET").status == 400
    desk.close()
