"""No secret is shown: not by a value's repr, not in an error, not in the log, not in the store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.identity.kit import PASSWORD, ROOT, SOME_POLICY, Bench, key_path, overwrite
from weka_mp.clock import SystemRandom
from weka_mp.errors import NamespaceError
from weka_mp.identity import AdminLogins, KeyRotation, LockOut, RootKeys
from weka_mp.identity.child_credentials import ChildKind, open_child
from weka_mp.identity.errors import IdentityError
from weka_mp.store.posix import PosixStore


class Lived:
    """A store on a disk through which every kind of secret went."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "store"
        self.folder.mkdir()
        self.posix = PosixStore(str(self.folder))
        self.bench = bench = Bench(self.posix, key_path(folder), random=SystemRandom())
        bench.add("bob")
        self.key = bench.admin.add_access_key("bob")
        self.account = bench.issuer.add_service_account("bob", SOME_POLICY)
        self.temporary = bench.issuer.assume_role("bob")
        self.roots = bench.issuer.assume_role(ROOT.access_key)
        self.logins = AdminLogins(bench.store, LockOut(bench.clock))
        self.pair = self.logins.login("bob", PASSWORD, "192.0.2.1")
        KeyRotation(bench.store, ()).rotate()
        self.masters = [line for line in Path(bench.keys.path).read_text().splitlines() if line[0] != "#"]
        self.secrets = [
            PASSWORD,
            ROOT.secret,
            *(issued.secret for issued in (self.key, self.account, self.temporary, self.roots)),
            *(issued.token or "" for issued in (self.temporary, self.roots)),
            self.pair.access_token,
            self.pair.refresh_token,
            *self.masters,
        ]
        assert len(self.masters) == 2 and all(len(secret) > 8 for secret in self.secrets)

    def shown_in(self, text: str) -> list[str]:
        """A piece of a token is enough."""
        return [secret for secret in self.secrets if secret in text or secret[-40:] in text]


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Lived]:
    made = Lived(tmp_path)
    yield made
    made.bench.close()
    made.posix.shutdown()


def test_the_search_finds_what_it_should(lived: Lived) -> None:
    assert lived.shown_in(f"x {lived.temporary.token} y {PASSWORD}") == [PASSWORD, lived.temporary.token]


def test_nothing_in_the_store(lived: Lived) -> None:
    files = [path for path in lived.folder.rglob("*") if path.is_file()]
    assert len([path for path in files if "identity" in path.parts]) >= 4
    for path in files:
        assert lived.shown_in(path.read_bytes().decode("latin-1")) == [], path


def test_nothing_in_a_repr(lived: Lived) -> None:
    store = lived.bench.store
    children = store.children
    issued = (lived.key, lived.account, lived.temporary)
    values: list[object] = [
        *(store, store.snapshot(), store.registry, children, vars(children)),
        *(
            lived.bench.keys,
            lived.bench.keys.ring(),
            lived.logins,
            lived.pair,
            ROOT,
            RootKeys("x", ROOT.secret),
        ),
        *issued,
    ]
    for access_key in ("bob", ROOT.access_key, *(one.access_key for one in issued)):
        values += [store.secret(access_key), store.principal(access_key)]
    child = children.files[ChildKind.TEMPORARY].read(lived.temporary.access_key)
    assert child is not None
    values += [child, open_child(child, lived.bench.keys)]
    for value in values:
        assert lived.shown_in(repr(value)) == [], type(value)
        assert lived.shown_in(str(value)) == [], type(value)


def test_nothing_in_errors_and_logs(lived: Lived, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench, logins = lived.bench, lived.logins
    broken = f"WKI1 {lived.temporary.token} {PASSWORD}".encode()
    overwrite(bench, b".weka/identity/sessions/" + lived.temporary.access_key.encode(), broken)
    fresh = Bench(PosixStore(str(lived.folder)), bench.keys.path, random=SystemRandom())

    def damage_keys() -> None:
        Path(bench.keys.path).write_text("".join(f"{master}x\n" for master in lived.masters))
        bench.keys.ring(fresh=True)

    def damage_registry() -> None:
        overwrite(bench, b".weka/identity/registry", broken)
        bench.store.secret("bob")

    tries = [
        lambda: bench.admin.add_user("bob", bench.store.registry.user("bob").role, PASSWORD),
        lambda: bench.admin.set_password("bob", PASSWORD + "\n"),
        lambda: bench.admin.set_password("nobody", PASSWORD),
        lambda: logins.login("bob", PASSWORD + "x", "192.0.2.1"),
        lambda: logins.login(PASSWORD, PASSWORD, "192.0.2.1"),
        lambda: logins.authenticate(lived.pair.refresh_token),
        lambda: logins.refresh(lived.pair.refresh_token[:-2] + "AA"),
        lambda: logins.authenticate(lived.temporary.token or ""),
        lambda: fresh.store.secret(lived.temporary.access_key),
        damage_keys,
        damage_registry,
    ]
    said = []
    for attempt in tries:
        with pytest.raises((IdentityError, NamespaceError)) as caught:
            attempt()
        chain: BaseException | None = caught.value
        while chain is not None:
            said.append(f"{chain!r} {chain}")
            chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    assert len(said) >= len(tries)
    assert lived.shown_in("\n".join(said)) == []
    assert lived.shown_in(caplog.text) == []
    fresh.close()
