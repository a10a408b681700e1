"""Who exists in a store: what the doors ask, once a request, and the one way to change it.

    keys = KeyFile(os.path.join(state_directory, key_file.FILE_NAME), random)
    identities = IdentityStore.open(namespace, keys, parse, predefined=..., root=RootKeys(...))
    identities.secret(access_key)       # → Secret | None, for the signature
    identities.principal(access_key)    # → Principal | None, for the decision

Both look at the record first, so a change is in force for whatever comes in after it was acknowledged.
`administration`, `issuing`, `logins` and `rotation` change things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from weka_mp.clock import Clock, RandomSource
from weka_mp.identity import naming
from weka_mp.identity.child_credentials import ChildKind
from weka_mp.identity.children import Children, OpenChild
from weka_mp.identity.errors import CredentialExpired, IdentityUnusable
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.model import PosixIdentity, Role
from weka_mp.identity.parsed_policies import ParsedPolicies
from weka_mp.identity.place import Place
from weka_mp.identity.policies import unshadowed
from weka_mp.identity.principal import (
    CredentialKind,
    PolicyParser,
    PolicyUse,
    Principal,
    RootKeys,
    Secret,
)
from weka_mp.identity.record import RegistryRecord
from weka_mp.identity.registry import Registry, root_account
from weka_mp.identity.snapshot import Snapshot
from weka_mp.identity.tokens import Tokens
from weka_mp.namespace import Namespace

__all__ = ["Credential", "IdentityStore"]

P = TypeVar("P")

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Credential(Generic[P]):
    """A key: what proves a request to be of it, and whose it is. It may have expired."""

    secret: Secret
    principal: Principal[P]


class IdentityStore(Generic[P]):
    """The identities of one store. Thread-safe; several processes may have it open. Make it with `open`."""

    def __init__(
        self,
        namespace: Namespace,
        keys: KeyFile,
        parse: PolicyParser[P],
        predefined: Mapping[str, str],
        root: RootKeys | None,
    ) -> None:
        self.store_id = namespace.store_id
        self.clock: Clock = namespace.clock
        self.random: RandomSource = namespace.context.random
        self.keys = keys
        self.parse = parse
        self.built_in = dict(predefined)
        self.root = root
        self.tokens = Tokens(keys, namespace.store_id, namespace.clock)
        self._place = Place(namespace)
        self._record = RegistryRecord(self._place, self._snapshot_of)
        self.children = Children(self._place, keys, self.tokens, root)
        self._parsed = ParsedPolicies(parse)

    @classmethod
    def open(
        cls,
        namespace: Namespace,
        keys: KeyFile,
        parse: PolicyParser[P],
        *,
        predefined: Mapping[str, str],
        root: RootKeys | None,
        make_keys: bool = True,
    ) -> IdentityStore[P]:
        """Makes what is missing, the key file too unless something is sealed already.

        make_keys: False for whoever only asks, who needs them when there is something to open. parse: of
        `weka_mp.policy`; predefined: the names and documents that are always there; root: None where the
        root user has no business (a command on a stopped store). A damaged record is not refused here but by
        everything that is asked afterwards. Raises IdentityUnusable (no key file), NamespaceError.
        """
        found = cls(namespace, keys, parse, predefined, root)
        try:
            if make_keys:
                found.prepare_keys()
            found._record.create()
        except BaseException:
            found.close()
            raise
        return found

    def close(self) -> None:
        """Give back the descriptors."""
        self._record.close()
        self._place.close()

    # ---- what is there
    def snapshot(self) -> Snapshot[P]:
        """Now. Raises IdentityUnusable when the record is damaged."""
        return self._record.current()

    @property
    def predefined(self) -> Mapping[str, str]:
        """Names and documents of what is always there. Raises IdentityUnusable."""
        return unshadowed(self.built_in, self.registry)

    @property
    def registry(self) -> Registry:
        """Accounts, users, groups and policies now. Raises IdentityUnusable."""
        return self.snapshot().registry

    # ---- what a request is judged by
    def secret(self, access_key: str) -> Secret | None:
        """What proves a request to be of this key; None: nobody has it. Raises IdentityUnusable."""
        snapshot = self.snapshot()
        if self.root is not None and access_key == self.root.access_key:
            return Secret(access_key, self.root.secret)
        holder = snapshot.holder(access_key)
        if holder is not None:
            return Secret(access_key, snapshot.secret(holder))
        found = self.children.find(access_key, snapshot.registry)
        if found is None:
            return None
        return Secret(access_key, found.secret.secret, found.secret.token, found.child.expires_s)

    def principal(self, access_key: str) -> Principal[P] | None:
        """Whose key it is, and what speaks for and against them; None: nobody's.

        Raises CredentialExpired, IdentityUnusable, and what the parser raises of a policy that it took once.
        """
        found = self.credential(access_key, self.snapshot())
        if found is None:
            return None
        expires_s = found.principal.expires_s
        if expires_s is not None and expires_s <= self.clock.now_ns() // _SECOND:
            raise CredentialExpired
        return found.principal

    def is_lasting(self, access_key: str, snapshot: Snapshot[P]) -> bool:
        """Whether only another state of the registry could change what the key is: all but those of service
        accounts and temporary credentials, which have records of their own.
        """
        if self.root is not None and access_key == self.root.access_key:
            return True
        return snapshot.holder(access_key) is not None

    def credential(self, access_key: str, snapshot: Snapshot[P]) -> Credential[P] | None:
        """Secret and principal by one state of the registry, also of a key that has expired; None: nobody's.

        Raises IdentityUnusable, and what the parser raises of a policy that it took once.
        """
        if self.root is not None and access_key == self.root.access_key:
            return Credential(Secret(access_key, self.root.secret), self._root_principal(access_key))
        holder = snapshot.holder(access_key)
        if holder is not None:
            found = snapshot.principal(holder.user)
            if holder.key is not None:
                found = replace(found, access_key=access_key, kind=CredentialKind.ACCESS_KEY)
            return Credential(Secret(access_key, snapshot.secret(holder)), found)
        child = self.children.find(access_key, snapshot.registry)
        return None if child is None else self.credential_of_child(child, snapshot)

    def credential_of_child(self, found: OpenChild, snapshot: Snapshot[P]) -> Credential[P]:
        """Of what `children.find` found by the same state of the registry. Raises as `credential` does."""
        child, opened = found.child, found.secret
        secret = Secret(child.access_key, opened.secret, opened.token, child.expires_s)
        return Credential(secret, self._child_principal(snapshot, found))

    def principal_of_user(self, name: str) -> Principal[P]:
        """Of a user by name: what their name and password would be. For questions about others.

        Raises NoSuchEntity, IdentityUnusable.
        """
        snapshot = self.snapshot()
        if name == naming.ROOT:
            return self._root_principal("" if self.root is None else self.root.access_key)
        return snapshot.principal(snapshot.registry.user(name))

    def _root_principal(self, access_key: str) -> Principal[P]:
        account = root_account()
        canonical = naming.canonical_id(self.store_id, account.name)
        return Principal(
            access_key, CredentialKind.ROOT, account.name, canonical, account.display_name, naming.ROOT,
            naming.entity_arn(naming.account_number(canonical), "user", naming.ROOT),
            naming.account_number(canonical), Role.CLUSTER_ADMIN, PosixIdentity(), (), (),
        )  # fmt: skip

    def _child_principal(self, snapshot: Snapshot[P], found: OpenChild) -> Principal[P]:
        child = found.child
        temporary = child.kind is ChildKind.TEMPORARY
        kind = CredentialKind.TEMPORARY if temporary else CredentialKind.SERVICE_ACCOUNT
        bounds = () if child.policy is None else (self._parsed.attached("", child.policy, PolicyUse.SESSION),)
        if child.parent == naming.ROOT:
            parent = self._root_principal(child.access_key)
        else:
            parent = snapshot.principal(snapshot.registry.user(child.parent))
        return replace(
            parent, access_key=child.access_key, kind=kind, bounds=bounds, expires_s=child.expires_s,
            issued_s=child.created_ns // _SECOND if temporary else None,
        )  # fmt: skip

    # ---- changing
    def change(self, step: Callable[[Registry], Registry]) -> Registry:
        """Replace the registry by what `step` makes of it, while nobody else does; the new one. It may be
        called several times. In force everywhere when this returns.

        Raises what `step` raises, IdentityUnusable, Conflict, NamespaceError.
        """
        return self._record.change(lambda snapshot: snapshot.registry, step).registry

    @contextmanager
    def exclusive(self) -> Iterator[Registry]:
        """Nobody changes anything meanwhile; `change` is not to be called within. Raises IdentityUnusable."""
        self._record.create()
        with self._place.exclusive():
            self.keys.ring(fresh=True)  # another process may have retired the key that we remember
            yield self.registry

    def seal(self, purpose: str, owner: str, secret: str) -> str:
        """Under the current key: for steps of `change`, and within `exclusive`. Raises IdentityUnusable."""
        return self.keys.ring(fresh=True).seal(purpose, owner, secret, self.random)

    def new_access_key(self, prefix: str) -> str:
        """One that nobody has. Within `exclusive`, or a step of `change`."""
        while True:
            access_key = naming.new_access_key(prefix, self.random)
            if not self.is_access_key(access_key):
                return access_key

    def is_access_key(self, name: str) -> bool:
        """Whether it is root's, a user's or a child's, good or not. Raises IdentityUnusable."""
        if self.root is not None and name == self.root.access_key:
            return True
        return self.snapshot().is_taken(name) or self.children.exists(name)

    def sweep(self) -> int:
        """Remove what dead processes were writing. Returns how many. Raises NamespaceError."""
        return self._place.sweep_staged()

    def _snapshot_of(self, registry: Registry) -> Snapshot[P]:
        predefined = unshadowed(self.built_in, registry)
        return Snapshot(registry, self.store_id, self.keys, self._parsed, predefined)

    def prepare_keys(self) -> None:
        """Before something is sealed: make the key file where there is none, and look whether it can be read.

        Not where secrets were sealed under keys that are missing now: what is sealed under new ones would
        hide that, and the old file would not fit any more.
        """
        if not self.keys.exists():
            self._make_keys()
        self.keys.ring()

    def _make_keys(self) -> None:
        registry = self.registry
        sealed = any(user.sealed is not None or user.keys for user in registry.users.values())
        sealed = sealed or any(files.names() for files in self.children.files.values())
        if sealed and not self.keys.exists():  # looked at again: another process may have just begun
            raise IdentityUnusable(
                f"{self.keys.path} is missing, which opens the secrets of this store: restore it"
            )
        self.keys.create()
