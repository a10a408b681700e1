"""What every document in a request is held to, whichever operation it belongs to.

The documents are those of tests/wire_cases that are accepted, each bent in every place it has; what needs no
good document is asked of every operation of BODY_LIMITS. So an operation that is new is asked all of it, too.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from tests.unit.s3.test_parse import CASES, operation_of
from weka_mp.s3.bodies import BODY_LIMITS
from weka_mp.s3.errors import S3Error
from weka_mp.s3.operations import Operation
from weka_mp.s3.parse import parse
from weka_mp.s3.request import Headers, S3Request, address
from weka_mp.s3.routing import ROUTES, OperationName, Scope

JSON = "PutBucketPolicy"
"""The one operation whose document is no XML."""
NAMES = sorted(BODY_LIMITS)
MALFORMED = frozenset({"MalformedXML", "MalformedACLError"})
S3 = "http://s3.amazonaws.com/doc/2006-03-01/"
DOCUMENTS = [
    pytest.param(case.values[0], id=str(case.id))
    for case in CASES
    if "operation" in case.values[0] and case.values[0].get("body", "").lstrip().startswith("<")  # type: ignore[union-attr]
]
ROOTS = {case.values[0]["operation"]: ElementTree.fromstring(case.values[0]["body"]).tag.rpartition("}")[2]
         for case in DOCUMENTS}  # type: ignore[index]
MIB = 1024 * 1024


def addressed(name: str) -> tuple[str, str]:
    """The method and the target of an operation."""
    row = next(row for row in ROUTES if row.name == name)
    path = "/bucket/key" if row.scope is Scope.OBJECT else "/bucket"
    queries = [row.subresource or "", *(mark[6:] for mark in row.marks if mark.startswith("query:"))]
    if row.subresource == "uploadId":
        queries[0] = "uploadId=u"
    written = "&".join(query if "=" in query else f"{query}=" for query in queries if query)
    return row.method, f"{path}?{written}" if written else path


def asked(name: str, body: bytes) -> Operation:
    """What an operation makes of a document."""
    method, target = addressed(name)
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest())
    headers = Headers([(b"Host", b"h"), (b"Content-MD5", md5)])
    request = S3Request.from_target(method, target.encode(), headers)
    return parse(request, address(request, ()), OperationName(name), body)


def refusal(call: Callable[..., object], *arguments: Any) -> str:
    with pytest.raises(S3Error) as caught:
        call(*arguments)
    return caught.value.code


def of(case: dict[str, Any], root: Element) -> Operation:
    return operation_of({**case, "body": ElementTree.tostring(root, "unicode")})


def bent(case: dict[str, Any]) -> Iterator[tuple[Element, Element]]:
    """A copy of the document for each of its elements, and that element in it."""
    whole = ElementTree.fromstring(case["body"])
    for place in range(len(list(whole.iter()))):
        again = copy.deepcopy(whole)
        yield again, list(again.iter())[place]


def test_every_operation_with_a_document_is_asked() -> None:
    assert {*ROOTS, JSON} == set(BODY_LIMITS)


@pytest.mark.parametrize("case", DOCUMENTS)
def test_an_element_that_nobody_knows_is_refused_wherever_it_stands(case: dict[str, Any]) -> None:
    for root, element in bent(case):
        element.append(Element("Unheard-of"))
        assert refusal(of, case, root) in MALFORMED, element.tag


@pytest.mark.parametrize("case", DOCUMENTS)
def test_text_beside_elements_is_refused(case: dict[str, Any]) -> None:
    for root, element in bent(case):
        if len(element):
            element[-1].tail = "astray"
            assert refusal(of, case, root) in MALFORMED, element.tag


@pytest.mark.parametrize("case", DOCUMENTS)
def test_half_a_document_is_refused(case: dict[str, Any]) -> None:
    body = case["body"]
    for end in range(1, len(body), max(1, len(body) // 20)):
        assert refusal(operation_of, {**case, "body": body[:end]}) in MALFORMED, end


@pytest.mark.parametrize("case", DOCUMENTS)
def test_another_root_is_refused(case: dict[str, Any]) -> None:
    root = ElementTree.fromstring(case["body"])
    root.tag = "Another"
    assert refusal(of, case, root) in MALFORMED


@pytest.mark.parametrize("case", DOCUMENTS)
def test_whichever_namespace_it_is_in_it_says_the_same(case: dict[str, Any]) -> None:
    """Clients send S3's, none, or what their library made of it."""
    meant = operation_of(case)
    for space in (S3, "http://doc.s3.amazonaws.com/2006-03-01", "urn:none"):
        root = ElementTree.fromstring(case["body"])
        for element in root.iter():
            element.tag = f"{{{space}}}{element.tag.rpartition('}')[2]}"
        assert of(case, root) == meant


def tower(root: str, levels: int) -> bytes:
    return f"<{root}>".encode() + b"<a>" * levels + b"</a>" * levels + f"</{root}>".encode()


def laughs(root: str) -> bytes:
    entities = "".join(
        f'<!ENTITY l{level} "{f"&l{level - 1};" * 10 if level else "lol"}">' for level in range(10)
    )
    return f'<!DOCTYPE {root} [{entities}]><{root}>&l9;</{root}>'.encode()


BOMBS: dict[str, Callable[[str, int], bytes]] = {
    "entities in entities": lambda root, _: laughs(root),
    "one long entity, often": lambda root, limit: (
        f'<!DOCTYPE {root} [<!ENTITY a "{"a" * (limit // 2)}">]><{root}>{"&a;" * (limit // 8)}</{root}>'
    ).encode()[:limit],
    "a file": lambda root, _: (
        f'<!DOCTYPE {root} [<!ENTITY a SYSTEM "file:///etc/passwd">]><{root}>&a;</{root}>'.encode()),
    "a document type elsewhere": lambda root, _: (
        f'<!DOCTYPE {root} SYSTEM "http://127.0.0.1:1/a.dtd"><{root}/>'.encode()),
    "a tower": lambda root, limit: tower(root, (limit - 2 * len(root) - 5) // 7),
    "a tower of seventeen": lambda root, _: tower(root, 17),
    "nothing but elements": lambda root, limit: (
        f"<{root}>".encode() + b"<a/>" * ((limit - 2 * len(root) - 5) // 4) + f"</{root}>".encode()),
    "nothing but attributes": lambda root, limit: (
        f"<{root} ".encode() + b" ".join(b'a%d=""' % n for n in range(limit // 12)) + b"/>"),
    "nothing but namespaces": lambda root, limit: (
        f"<{root} ".encode() + b" ".join(b'xmlns:a%d="u"' % n for n in range(limit // 20)) + b"/>"),
    "an open comment": lambda root, limit: f"<{root}><!--".encode() + b"-" * (limit - len(root) - 6),
    "an encoding of Python's": lambda root, _: f'<?xml version="1.0" encoding="utf-7"?><{root}/>'.encode(),
    "no XML": lambda _root, limit: b"\0" * limit,
    "no UTF-8": lambda root, _: f"<{root}>".encode() + b"\xff\xfe\xfd" + f"</{root}>".encode(),
}


@pytest.mark.parametrize("name", [name for name in NAMES if name != JSON])
def test_bombs_are_refused(name: str) -> None:
    for bomb, made in BOMBS.items():
        assert refusal(asked, name, made(ROOTS[name], min(BODY_LIMITS[name], 128 * 1024))) in MALFORMED, bomb
    too_long = f"<{ROOTS[name]}>".ljust(BODY_LIMITS[name]) + f"</{ROOTS[name]}>"
    assert refusal(asked, name, too_long.encode()) in MALFORMED


@pytest.mark.parametrize("bomb", BOMBS)
def test_the_largest_bombs_are_refused_in_bounded_memory(bomb: str) -> None:
    name = max(ROOTS, key=lambda name: BODY_LIMITS[name])
    body = BOMBS[bomb](ROOTS[name], BODY_LIMITS[name])
    assert len(body) <= BODY_LIMITS[name]
    tracemalloc.start()
    try:
        assert refusal(asked, name, body) in MALFORMED
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 24 * MIB  # a tree of as many elements as a document may have is 20 MiB


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf", b"<a/>", b"null", b"\xff"])
def test_a_policy_that_is_none_is_refused(body: bytes) -> None:
    assert refusal(asked, JSON, body) == "MalformedPolicy"
