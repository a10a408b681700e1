"""The route table: complete against the service model, and right about methods and sub-resources."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from weka_mp.s3.errors import S3Error
from weka_mp.s3.operations import BUILT
from weka_mp.s3.parse import PARSERS, parse
from weka_mp.s3.request import Headers, S3Request, address
from weka_mp.s3.routing import CORS_PREFLIGHT, ROUTES, Scope, route

TOOL = Path(__file__).parents[3] / "tools" / "check_s3_model.py"
TARGETS = {Scope.SERVICE: b"/", Scope.BUCKET: b"/bucket", Scope.OBJECT: b"/bucket/key"}


def routed(method: str, target: bytes, *headers: tuple[str, str]) -> str:
    request = S3Request.from_target(method, target, Headers([("host", "h"), *headers]))
    return route(request, address(request, ()))


def test_the_tables_agree_with_the_service_model() -> None:
    spec = importlib.util.spec_from_file_location("check_s3_model", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.faults() == []


def test_built_operations_are_routed_and_parsed() -> None:
    assert set(PARSERS) == BUILT
    assert BUILT.issubset(row.name for row in ROUTES)
    assert all(kind.isidentifier() for kind in BUILT)


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.name}-{row.scope.name}")
def test_each_row_is_reached_by_its_own_marks(row: object) -> None:
    from weka_mp.s3.routing import Route

    assert isinstance(row, Route)
    query = [row.subresource] if row.subresource else []
    headers = []
    for mark in row.marks:
        kind, _, rest = mark.partition(":")
        if kind == "header":
            headers.append((rest, "/b/k"))
        else:
            query.append(rest)
    target = TARGETS[row.scope] + b"?" + "&".join([*query, "x-id=Whatever", "X-Amz-Expires=1"]).encode()
    assert routed(row.method, target, *headers) == row.name


UNBUILT = [row for row in ROUTES if row.name not in BUILT | {CORS_PREFLIGHT}]


@pytest.mark.parametrize("row", UNBUILT, ids=lambda row: row.name)
def test_what_is_not_built_says_its_name(row: object) -> None:
    request = S3Request.from_target("GET", b"/bucket/key", Headers())
    name = row.name  # type: ignore[attr-defined]
    with pytest.raises(S3Error) as caught:
        parse(request, address(request, ()), name, None)
    assert caught.value.code == "NotImplemented"
    assert name in caught.value.message


@pytest.mark.parametrize(("method", "target", "resource", "allow"), [
    ("PUT", b"/", "SERVICE", "GET"),
    ("POST", b"/b/k", "OBJECT", "DELETE, GET, HEAD, OPTIONS, PUT"),
    ("PATCH", b"/b/k", "OBJECT", "DELETE, GET, HEAD, OPTIONS, PUT"),
    ("POST", b"/b?acl", "ACL", "GET, PUT"),
    ("GET", b"/b?delete", "DELETE", "POST"),
    ("GET", b"/b/k?policy", "POLICY", None),
    ("PUT", b"/b/k?uploadId=u", "UPLOADID", "DELETE, GET, POST, PUT"),
])
def test_other_methods_are_not_allowed(method: str, target: bytes, resource: str, allow: str | None) -> None:
    with pytest.raises(S3Error) as caught:
        routed(method, target)
    assert caught.value.code == "MethodNotAllowed"
    assert caught.value.details == {"Method": method, "ResourceType": resource}
    assert caught.value.headers.get("Allow") == allow


def test_two_sub_resources_conflict() -> None:
    with pytest.raises(S3Error) as caught:
        routed("GET", b"/b?acl&tagging")
    assert caught.value.message == "Conflicting query string parameters: acl, tagging"


@pytest.mark.parametrize(("method", "target", "name"), [
    ("GET", b"/b?unknown=1&list-type=1", "ListObjects"),
    ("GET", b"/b/k?x-id=PutObject&unknown", "GetObject"),
    ("OPTIONS", b"/b/k?acl", "CORSPreflight"),
    ("PUT", b"/b/k?partNumber=1", "PutObject"),
])
def test_what_names_no_sub_resource_is_not_looked_at(method: str, target: bytes, name: str) -> None:
    assert routed(method, target) == name
