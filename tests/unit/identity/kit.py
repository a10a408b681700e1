"""What tests of identities share: a store with all that belongs to it, a parser that only knows JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.namespace.kit import FixedClock
from weka_mp.clock import RandomSource, SeededRandom
from weka_mp.identity import (
    Administration,
    CredentialIssuer,
    IdentityStore,
    KeyFile,
    PolicyUse,
    Role,
    RootKeys,
)
from weka_mp.namespace import Namespace
from weka_mp.store.interface import Store
from weka_mp.store.memory import MemoryStore

PASSWORD = "Correct-Horse-9"
ROOT = RootKeys("WEKAROOTKEY", "root-secret-of-this-store")
PREDEFINED = {"readonly": '{"ro": 1}', "readwrite": '{"rw": 1}'}
SOME_POLICY = '{"some": "policy"}'
Parsed = tuple[str, object]


class BadPolicy(Exception):
    """What this parser raises."""


def parse(document: str, use: PolicyUse, name: str) -> Parsed:
    try:
        return f"{use.value} {name}".rstrip(), json.loads(document)
    except ValueError:
        raise BadPolicy(document) from None


class Bench:
    """One process's view of the identities of a store."""

    def __init__(
        self, store: Store, keys: str, clock: FixedClock | None = None, random: RandomSource | None = None,
        root: RootKeys | None = ROOT,
    ) -> None:  # fmt: skip
        self.clock = clock or FixedClock()
        random = random or SeededRandom(7)
        self.namespace = Namespace.open(store, clock=self.clock, random=random)
        self.keys = KeyFile(keys, random)
        try:
            self.store = IdentityStore.open(
                self.namespace, self.keys, parse, predefined=PREDEFINED, root=root
            )
        except BaseException:
            self.namespace.close()
            raise
        self.admin = Administration(self.store)
        self.issuer = CredentialIssuer(self.store)

    def add(self, name: str = "bob", role: Role = Role.S3) -> None:
        self.admin.add_user(name, role, PASSWORD)

    def secret(self, access_key: str) -> str | None:
        found = self.store.secret(access_key)
        return None if found is None else found.secret

    def close(self) -> None:
        self.store.close()
        self.namespace.close()


def key_path(folder: Path) -> str:
    return str(folder / "state" / "identity-keys")


@contextmanager
def memory_bench(folder: Path) -> Iterator[Bench]:
    """Fails when a descriptor stays open."""
    store = MemoryStore()
    bench = Bench(store, key_path(folder))
    yield bench
    bench.close()
    assert store.open_descriptors() == 0
    assert store.held_locks() == 0


def record_of(bench: Bench) -> bytes:
    """The registry's bytes."""
    with bench.store.exclusive():
        pass
    store = bench.namespace.store
    fd = store.open_file(store.root(), b".weka/identity/registry", 0)
    try:
        return store.read(fd, store.attr(fd).size, 0)
    finally:
        store.close(fd)


def overwrite(bench: Bench, path: bytes, data: bytes) -> None:
    """In place, as a bad disk does."""
    store = bench.namespace.store
    fd = store.open_file(store.root(), path, 1)
    try:
        store.truncate(fd, 0)
        store.write(fd, data, 0)
    finally:
        store.close(fd)
