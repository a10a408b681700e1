"""The OpenAPI document: valid, made of the tables, and WEKA's paths about S3 in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from weka_mp.control import api
from weka_mp.control.identity_routes import IDENTITY_ROUTES, PREFIX, find
from weka_mp.control.not_built import NOT_BUILT, refusal
from weka_mp.control.openapi import FIELD_TYPES

SECTION_K = {
    "/s3": "GET POST PUT DELETE",
    "/s3/containersAreReady": "GET",
    "/s3/containers": "POST DELETE",
    "/s3/debug": "GET POST",
    "/s3/buckets": "GET POST",
    "/s3/buckets/{bucket}": "DELETE",
    "/s3/buckets/{bucket}/policy": "GET PUT",
    "/s3/buckets/{bucket}/policyJson": "GET PUT",
    "/s3/buckets/{bucket}/quota": "PUT DELETE",
    "/s3/buckets/{bucket}/lifecycle/rules": "GET POST DELETE",
    "/s3/buckets/{bucket}/lifecycle/rules/{rule}": "DELETE",
    "/s3/policies": "GET POST",
    "/s3/policies/{policy}": "GET DELETE",
    "/s3/policies/attach": "POST",
    "/s3/policies/detach": "POST",
    "/s3/userPolicies": "GET",
    "/s3/serviceAccounts": "GET POST",
    "/s3/serviceAccounts/{access_key}": "GET DELETE",
    "/s3/sts": "POST",
    "/s3/auditWebhook": "GET",
    "/s3/auditWebhook/enable": "POST",
    "/s3/auditWebhook/disable": "POST",
}
"""WEKA's REST API about S3, as its documents list it."""

BODIES = {
    "/s3/buckets": {"bucket_name", "policy", "policy_file_content", "existing_path"},
    "/s3/sts": {"access_key", "secret_key", "duration", "policy_file_content"},
}


@pytest.fixture(scope="module")
def document() -> Any:
    public = [route for route in api.ROUTES if route.public]
    plain = [(route.method, route.path.pattern.replace("\\", ""), "words") for route in public]
    return json.loads(json.dumps(api.openapi_document(plain, refused=NOT_BUILT)))


def test_it_is_valid(document: Any) -> None:
    validate(document)


def test_it_has_every_route_and_no_other(document: Any) -> None:
    shown = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    routes = {(route.method, PREFIX + route.path) for route in IDENTITY_ROUTES}
    refused = {(method, PREFIX + path) for method, path in NOT_BUILT}
    public = {("GET", path) for path in (
        "/health/live", "/health/ready", "/metrics", "/api/v2/docs/openapi.json")}
    assert shown == routes | refused | public
    assert not routes & refused, "what is built is not refused: take its row out of not_built.py"


def test_every_path_of_weka_is_built_or_refused_with_its_reason() -> None:
    for path, methods in SECTION_K.items():
        asked = path.replace("{", "").replace("}", "")
        for method in methods.split():
            reason = refusal(method, PREFIX + asked)
            built = False
            try:
                built = find(method, PREFIX + asked) is not None
            except LookupError:
                assert reason, (method, path)
            assert built or reason, (method, path)
            assert reason is None or reason == NOT_BUILT[(method, path)]
    assert {path for _, path in NOT_BUILT} <= SECTION_K.keys()


@pytest.mark.parametrize("path", list(BODIES))
def test_the_fields_of_bodies_are_wekas(document: Any, path: str) -> None:
    body = document["paths"][PREFIX + path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"].keys() >= BODIES[path]
    assert body["additionalProperties"] is False


def test_secrets_are_written_only(document: Any) -> None:
    for name in ("password", "secret_key", "private_key", "refresh_token"):
        assert FIELD_TYPES[name]["writeOnly"], name
    login = document["paths"][f"{PREFIX}/login"]["post"]
    assert "security" not in login
    assert document["paths"][f"{PREFIX}/users"]["get"]["security"] == [{"token": []}]
    names = [parameter["name"] for item in document["paths"].values() for operation in item.values()
             for parameter in operation.get("parameters", [])]
    assert not {"password", "secret_key", "private_key"} & set(names)  # never in an address
