"""A namespace over a temporary directory, and root's view of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from weka_mp.gateway.authorize import Principal
from weka_mp.gateway.context import Context, Site
from weka_mp.namespace import Durability, Namespace, NewObject
from weka_mp.store.posix import PosixStore

ACCOUNT = "1" * 64


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    with Namespace.open(PosixStore(str(tmp_path)), durability=Durability.RELAXED) as namespace:
        namespace.create_bucket("bucket")
        yield Context(Site(namespace, "us-east-1", ACCOUNT), Principal(ACCOUNT, "KEY", True, owner="root"))


@pytest.fixture
def put(context: Context):
    """Store an object: put(key, body, **fields of NewObject)."""

    def store(key: bytes, body: bytes, **fields: object) -> None:
        digest = hashlib.md5(body).digest()
        with context.namespace.begin_put("bucket", key) as session:
            session.write(body)
            session.publish(NewObject(md5=digest, **fields))

    return store
