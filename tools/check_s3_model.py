#!/usr/bin/env python3
"""Hold the route table and the header tables against the service model of S3 that botocore ships.

Says every operation that has no route, every route whose method, scope or sub-resource differs, and every
request header or query parameter of a built operation that is neither honoured nor refused. Exit status 1
if there is any.
"""

from __future__ import annotations

import sys
from typing import Any

import botocore.session

from weka_mp.s3.encryption import ENCRYPTION_HEADERS
from weka_mp.s3.headers_in import HONOURED, REFUSED
from weka_mp.s3.operations import BUILT
from weka_mp.s3.routing import CORS_PREFLIGHT, ROUTES, SYNONYMS, Scope

QUERY_HONOURED = frozenset({
    "bucket-region", "continuation-token", "delimiter", "encoding-type", "fetch-owner", "id", "marker",
    "key-marker", "max-buckets", "max-keys", "max-parts", "max-uploads", "part-number-marker", "partNumber",
    "prefix", "upload-id-marker", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "start-after", "uploadId", "version-id-marker", "versionId",
})
"""Query parameters that the parsers of built operations read."""

_OUTSIDE_THE_MODEL = frozenset({"PostObject", CORS_PREFLIGHT})
_MARKS = frozenset({"list-type", "select-type", "x-id"})
_SERVICE_SCOPED = frozenset({"ListBuckets", "ListDirectoryBuckets"})


def _scope(name: str, uri: str) -> Scope:
    if name in _SERVICE_SCOPED:
        return Scope.SERVICE
    return Scope.OBJECT if "{Key+}" in uri else Scope.BUCKET


def _operation_faults(model: Any) -> list[str]:
    rows = {row.name: row for row in ROUTES if row.name != CORS_PREFLIGHT}
    faults = [f"{name}: no such operation in the model"
              for name in rows if name not in model.operation_names and name not in _OUTSIDE_THE_MODEL]
    for name in model.operation_names:
        if name in SYNONYMS:
            continue
        row = rows.get(name)
        if row is None:
            faults.append(f"{name}: no route")
            continue
        http = model.operation_model(name).http
        uri, _, query = http["requestUri"].partition("?")
        named = {piece.partition("=")[0] for piece in query.split("&") if piece} - _MARKS
        if row.method != http["method"]:
            faults.append(f"{name}: method {row.method}, the model says {http['method']}")
        if row.scope is not _scope(name, uri):
            faults.append(f"{name}: scope {row.scope.value}, the model says {uri}")
        if named and named != {row.subresource}:
            faults.append(f"{name}: sub-resource {row.subresource}, the model says {sorted(named)}")
    return faults


def _parameter_faults(model: Any) -> list[str]:
    faults = []
    for name in sorted(BUILT & set(model.operation_names)):
        shape = model.operation_model(name).input_shape
        for member in (shape.members if shape is not None else {}).values():
            place, wire = member.serialization.get("location"), member.serialization.get("name", "")
            known = HONOURED | REFUSED.keys() | ENCRYPTION_HEADERS
            if place in ("header", "headers") and wire.lower() not in known:
                faults.append(f"{name}: header {wire} is neither honoured nor refused")
            if place == "querystring" and wire not in QUERY_HONOURED:
                faults.append(f"{name}: query parameter {wire} is not honoured")
    return faults


def faults() -> list[str]:
    """One line for each difference between our tables and the model; empty when they agree."""
    model = botocore.session.get_session().get_service_model("s3")
    return _operation_faults(model) + _parameter_faults(model)


def main() -> int:
    """Print the differences; the exit status says whether there are any."""
    found = faults()
    for line in found:
        print(line)
    print(f"{len(ROUTES)} routes, {len(BUILT)} operations built, {len(found)} differences from the model")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
