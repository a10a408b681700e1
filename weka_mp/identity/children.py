"""Which service account or temporary credentials a key is, and whether they are good now."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from weka_mp.identity import naming
from weka_mp.identity.child_credentials import Child, ChildKind, ChildSecret, open_child
from weka_mp.identity.credential_files import CredentialFiles
from weka_mp.identity.errors import IdentityUnusable, TokenRefused
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.place import Place
from weka_mp.identity.principal import RootKeys
from weka_mp.identity.registry import Registry
from weka_mp.identity.tokens import TokenKind, Tokens

__all__ = ["Children", "OpenChild", "is_of_parent", "policy_digest", "root_generation", "token_claims"]

_CACHED: Final = 10_000  # as many as there may be


@dataclass(frozen=True, slots=True)
class OpenChild:
    """A child and its secret."""

    child: Child
    secret: ChildSecret


def is_of_parent(child: Child, registry: Registry) -> bool:
    """Whether the parent still is the user who made it. Root's generation is looked at on opening."""
    if child.parent == naming.ROOT:
        return child.session == registry.root_session
    user = registry.users.get(child.parent)
    return user is not None and user.generation == child.generation and child.session in (None, user.session)


def root_generation(keys: KeyFile, root: RootKeys, key_id: str) -> int:
    """The root user's: another one with other keys."""
    return keys.ring(needed=key_id).fingerprint(key_id, "root", root.access_key, root.secret)


def policy_digest(policy: str | None) -> str | None:
    """How a token refers to its session policy, which lies in the record: lower-case hex of its SHA-256."""
    return None if policy is None else hashlib.sha256(policy.encode("utf-8", "surrogatepass")).hexdigest()


def token_claims(child: Child) -> dict[str, object]:
    """What a session token says besides whom it is for and its times."""
    policy = policy_digest(child.policy)
    return {
        "accessKey": child.access_key, "sub": child.parent, "gen": child.generation, "ses": child.session,
        **({} if policy is None else {"policySha256": policy}),
    }  # fmt: skip


class Children:
    """All children of a store's users, those that were used lately in memory. Thread-safe."""

    def __init__(self, place: Place, keys: KeyFile, tokens: Tokens, root: RootKeys | None) -> None:
        self.files = {kind: CredentialFiles(place, kind) for kind in ChildKind}
        self._keys = keys
        self._tokens = tokens
        self._root = root
        self._open: OrderedDict[str, OpenChild] = OrderedDict()
        self._mutex = threading.Lock()

    def exists(self, access_key: str) -> bool:
        """Whether there is a record of this key, good or not."""
        return any(files.exists(access_key) for files in self.files.values())

    def find(self, access_key: str, registry: Registry) -> OpenChild | None:
        """None: no such key, or its parent is not the one who made it. An expired one is found.

        Raises IdentityUnusable when its record is damaged.
        """
        prefix = naming.generated_kind(access_key)
        if prefix is None:
            return None
        files = self.files[ChildKind(prefix)]
        found = self._known(access_key) if files.exists(access_key) else None
        if found is None:
            child = files.read(access_key)
            if child is None or not is_of_parent(child, registry):
                return None
            found = self._opened(child)
            self._remember(found)
        return found if is_of_parent(found.child, registry) and self._is_of_root(found) else None

    def _known(self, access_key: str) -> OpenChild | None:
        with self._mutex:
            found = self._open.get(access_key)
            if found is not None:
                self._open.move_to_end(access_key)
            return found

    def _remember(self, found: OpenChild) -> None:
        with self._mutex:
            self._open[found.child.access_key] = found
            if len(self._open) > _CACHED:
                self._open.popitem(last=False)

    def _opened(self, child: Child) -> OpenChild:
        found = OpenChild(child, open_child(child, self._keys))
        token = found.secret.token
        if (token is None) is (child.kind is ChildKind.TEMPORARY):
            raise IdentityUnusable(f"the record of the access key {child.access_key} is damaged")
        if token is not None:
            self._check_token(child, token)
        return found

    def _check_token(self, child: Child, token: str) -> None:
        try:
            good = self._tokens.verify_signature(TokenKind.TEMPORARY, token)
        except TokenRefused:
            raise IdentityUnusable(f"the token of the access key {child.access_key} is not good") from None
        wanted = token_claims(child)
        if good.expires_s != child.expires_s or any(good.claims.get(k) != v for k, v in wanted.items()):
            raise IdentityUnusable(f"the token of the access key {child.access_key} is another's")

    def _is_of_root(self, found: OpenChild) -> bool:
        """Of the root user's: whether root still has the keys that it had."""
        if found.child.parent != naming.ROOT:
            return True
        if self._root is None or found.secret.token is None:
            return False
        key_id = self._tokens.verify_signature(TokenKind.TEMPORARY, found.secret.token).key_id
        return found.child.generation == root_generation(self._keys, self._root, key_id)
