"""What only AWS's IAM API changes: policies within users and groups, tags, names. As `administration`, which
see for who is asked and what is raised besides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from weka_mp.errors import NamespaceError
from weka_mp.identity import groups, inline_policies, naming, policies, users
from weka_mp.identity.errors import EntityExists, IdentityError
from weka_mp.identity.issuing import CredentialIssuer
from weka_mp.identity.model import User, check_document
from weka_mp.identity.principal import PolicyUse
from weka_mp.identity.registry import Registry
from weka_mp.identity.snapshot import ACCESS_KEY, PASSWORD, Holder, access_key_owner, password_owner
from weka_mp.identity.store import IdentityStore

__all__ = ["IamChanges"]

P = TypeVar("P")

_log = logging.getLogger(__name__)

Tags = Mapping[str, str]


class IamChanges(Generic[P]):
    """Changes of the identities of one store."""

    def __init__(self, identities: IdentityStore[P]) -> None:
        self._identities = identities

    # ---- policies within
    def put_in_user(self, user: str, name: str, document: str) -> None:
        """Raises InvalidInput, what the parser raises, NoSuchEntity, LimitExceeded; the next one, too."""
        self._check(name, document)
        self._change(lambda registry: inline_policies.put_in_user(registry, user, name, document))

    def put_in_group(self, group: str, name: str, document: str) -> None:
        self._check(name, document)
        self._change(lambda registry: inline_policies.put_in_group(registry, group, name, document))

    def remove_from_user(self, user: str, name: str) -> None:
        """Raises NoSuchEntity, as the next one does."""
        self._change(lambda registry: inline_policies.remove_from_user(registry, user, name))

    def remove_from_group(self, group: str, name: str) -> None:
        self._change(lambda registry: inline_policies.remove_from_group(registry, group, name))

    # ---- tags: `step` makes the new ones of the old
    def tag_user(self, name: str, step: Callable[[Tags], Tags]) -> None:
        """Raises NoSuchEntity, InvalidInput."""
        self._change(lambda registry: users.set_tags(registry, name, step(registry.user(name).tags)))

    def tag_policy(self, name: str, step: Callable[[Tags], Tags]) -> None:
        """Raises NoSuchEntity, InvalidInput, Unmodifiable (predefined)."""
        self._change(lambda registry: policies.set_tags(registry, name, step, self._predefined))

    # ---- names and paths; None leaves the one there is
    def rename_user(self, name: str, new: str | None, path: str | None = None) -> None:
        """With policies, groups, password and keys; service accounts and temporary credentials of the old
        name end. Raises NoSuchEntity, EntityExists, InvalidInput.
        """
        session = naming.new_serial(self._identities.random)

        def step(registry: Registry) -> Registry:
            user = registry.user(name)
            if path is not None:
                user = replace(user, path=path)
            if new in (None, name):
                return registry.with_user(user)
            if new.lower() != name.lower() and self._identities.is_access_key(new):
                raise EntityExists(f"there is a user or access key {new} already")
            return users.rename(registry, name, replace(self._sealed_for(new, user), session=session))

        self._change(step)
        self._sweep_children()

    def rename_group(self, name: str, new: str | None, path: str | None = None) -> None:
        """With its members and policies. Raises NoSuchEntity, EntityExists, InvalidInput."""

        def step(registry: Registry) -> Registry:
            if path is not None:
                registry = registry.with_group(replace(registry.group(name), path=path))
            return registry if new in (None, name) else groups.rename(registry, name, new)

        self._change(step)

    def _sweep_children(self) -> None:
        """What was given out under a former name is nobody's; it goes now, or a user who got that name back
        would have it again.
        """
        try:
            CredentialIssuer(self._identities).sweep()
        except (NamespaceError, IdentityError) as error:
            _log.warning("dead access keys were not removed: %s", error)

    def _sealed_for(self, name: str, user: User) -> User:
        """Under another name, with what is sealed for the old one sealed for it."""
        snapshot, seal = self._identities.snapshot(), self._identities.seal
        sealed = user.sealed
        if sealed is not None:
            sealed = seal(PASSWORD, password_owner(name), snapshot.secret(Holder(user, None)))
        keys = tuple(
            replace(key, sealed=seal(
                ACCESS_KEY, access_key_owner(name, key.key_id), snapshot.secret(Holder(user, key))
            ))
            for key in user.keys
        )  # fmt: skip
        return replace(user, name=name, sealed=sealed, keys=keys)

    # ---- what they share
    @property
    def _predefined(self) -> Collection[str]:
        return self._identities.built_in.keys()

    def _check(self, name: str, document: str) -> None:
        check_document(document)
        self._identities.parse(document, PolicyUse.IDENTITY, name)

    def _change(self, step: Callable[[Registry], Registry]) -> Registry:
        return self._identities.change(step)
