"""The OpenAPI document of the administration API, made of the route tables themselves (OpenAPI 3.1.0)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import weka_mp
from weka_mp.control.identity_routes import IDENTITY_ROUTES, PREFIX, IdentityRoute

__all__ = ["FIELD_TYPES", "described", "openapi_document"]

_TEXT: Final[Mapping[str, Any]] = {"type": "string"}
_NUMBER: Final[Mapping[str, Any]] = {"type": "integer"}
_FLAG: Final[Mapping[str, Any]] = {"type": "boolean"}
_POLICY: Final[Mapping[str, Any]] = {
    "type": ["string", "object"], "description": "A policy: its text, or the JSON object itself."
}
_SECRET: Final[Mapping[str, Any]] = {"type": "string", "format": "password", "writeOnly": True}

FIELD_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    **dict.fromkeys((
        "access_key", "account", "bucket_name", "category_list", "certificate", "display_name", "email",
        "endpoint", "exclude_type_list", "existing_path", "hard_quota", "policy_name", "prefix", "role",
        "sort_order", "type_list", "user_name", "username",
    ), _TEXT),
    **dict.fromkeys(("auth_token", "password", "private_key", "refresh_token", "secret_key"), _SECRET),
    **dict.fromkeys((
        "access_token_timeout", "duration", "failed_attempts", "lockout_duration", "num_results", "posix_gid",
        "posix_uid", "expiry_days",
    ), _NUMBER),
    **dict.fromkeys(("unlink", "verify"), _FLAG),
    "policy_file_content": _POLICY,
    "policy": {"type": "string", "enum": ["none", "download", "upload", "public"]},
    "bucket_policy": {"type": "string", "enum": ["None", "Download", "Upload", "Public"]},
    "severity": {"type": "string", "enum": ["debug", "info", "warning", "minor", "major", "critical"]},
    "start_time": {"type": "string", "format": "date-time"},
    "end_time": {"type": "string", "format": "date-time"},
}  # fmt: skip
"""What each field of a body is; one that is not here is a text."""

_ERRORS: Final = (
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE,
)  # fmt: skip
_QUERIED: Final = frozenset({"GET", "DELETE"})
"""Methods whose fields may stand in the address."""


def openapi_document(plain: Iterable[tuple[str, str, str]], *, refused: Mapping[tuple[str, str], str]) -> Any:
    """What JSON carries. plain: method, path and words of the routes that ask for no login; refused: what is
    answered 501, with its reason.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in IDENTITY_ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    for method, path, words in plain:
        paths.setdefault(path, {})[method.lower()] = _plain_operation(method, path, words)
    for (method, path), reason in refused.items():
        paths.setdefault(PREFIX + path, {})[method.lower()] = _refused_operation(method, path, reason)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "weka_mp administration", "version": weka_mp.__version__,
            "description": "docs/ADMINISTRATION.md says what everything means, and who may.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {
                    "type": "object", "required": ["error"],
                    "properties": {"error": _TEXT, "code": _TEXT},
                },
            },
        },
    }  # fmt: skip


def described(path: str) -> list[dict[str, Any]]:
    """The parameters that a path names."""
    return [
        {"name": name, "in": "path", "required": True, "schema": _TEXT}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _operation(route: IdentityRoute) -> dict[str, Any]:
    words = " ".join((route.handler.__doc__ or "").split("\n\n")[0].split())
    fields = {name: FIELD_TYPES.get(name, _TEXT) for name in route.fields}
    parameters = described(route.path)
    found: dict[str, Any] = {
        "operationId": _identifier(route.method, route.path), "summary": words, "tags": [_tag(route.path)],
    }
    if fields and route.method in _QUERIED:
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in fields.items()]
    elif fields:
        body = {"type": "object", "properties": fields, "additionalProperties": False}
        found["requestBody"] = {"content": {"application/json": {"schema": body}}}
    if parameters:
        found["parameters"] = parameters
    if route.verb is not None:
        found["security"] = [{"token": []}]
        found["description"] = f"For whoever may {route.verb.value}."
    return found | {"responses": _responses(route.status)}


def _responses(status: HTTPStatus) -> dict[str, Any]:
    data = {"type": "object", "required": ["data"], "properties": {"data": {}}}
    error = {"$ref": "#/components/schemas/Error"}
    found = {str(status.value): _response(status.phrase, data)}
    return found | {str(one.value): _response(one.phrase, error) for one in _ERRORS}


def _response(words: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _plain_operation(method: str, path: str, words: str) -> dict[str, Any]:
    return {
        "operationId": _identifier(method, path), "summary": words, "tags": ["service"],
        "responses": {"200": {"description": "OK"}, "503": {"description": "Service Unavailable"}},
    }  # fmt: skip


def _refused_operation(method: str, path: str, reason: str) -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    return {
        "operationId": _identifier(method, path), "summary": f"Not built: {reason}", "tags": [_tag(path)],
        "parameters": described(path), "security": [{"token": []}],
        "responses": {"501": _response("Not Implemented", error)},
    }  # fmt: skip


def _identifier(method: str, path: str) -> str:
    return f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path).rstrip('_')}"


def _tag(path: str) -> str:
    return path.split("/")[1]
