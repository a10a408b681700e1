"""Together with the policy language: what a principal carries is what a decision takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.identity.kit import PASSWORD, ROOT, key_path
from weka_mp.clock import SystemRandom
from weka_mp.identity import (
    Administration,
    CredentialIssuer,
    IdentityStore,
    KeyFile,
    PolicyUse,
    Principal,
    Role,
)
from weka_mp.namespace import Namespace
from weka_mp.policy import decision, documents, principals
from weka_mp.policy.canned import IDENTITY_POLICIES
from weka_mp.policy.documents import Kind, Policy
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.statements import Question
from weka_mp.store.memory import MemoryStore


def parse(document: str, use: PolicyUse, name: str) -> Policy:
    return documents.parse(document, Kind[use.name], name=name)


def allowing(action: str, resource: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:s3:::{resource}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def identities(tmp_path: Path) -> Iterator[IdentityStore[Policy]]:
    with Namespace.open(MemoryStore()) as namespace:
        predefined = {name: policy.text for name, policy in IDENTITY_POLICIES.items()}
        keys = KeyFile(key_path(tmp_path), SystemRandom())
        made = IdentityStore.open(namespace, keys, parse, predefined=predefined, root=ROOT)
        yield made
        made.close()


def may(identities: IdentityStore[Policy], access_key: str, action: str, key: str) -> bool:
    who: Principal[Policy] | None = identities.principal(access_key)
    assert who is not None
    asks = principals.Principal(who.account_number, who.canonical_id, who.user, who.is_root)
    return decision.decide(
        Question(asks, action, f"arn:aws:s3:::{key}", {}),
        identity=[policy.parsed for policy in who.policies],
        resource=None,
        bounds=[policy.parsed for policy in who.bounds],
        owner_account=who.canonical_id,
    ).allowed


def test_what_keys_of_one_user_may_do(identities: IdentityStore[Policy]) -> None:
    admin, issuer = Administration(identities), CredentialIssuer(identities)
    admin.add_user("bob", Role.S3, PASSWORD)
    assert not may(identities, "bob", "s3:GetObject", "b/a/k")
    admin.attach_by_cli("readonly", "bob")
    admin.add_policy("put", allowing("s3:PutObject", "b/a/*"))
    admin.attach_to_user("put", "bob")
    narrow = allowing("s3:*Object", "b/a/*")
    keys = {
        "bob": "bob",
        "key": admin.add_access_key("bob").access_key,
        "service": issuer.add_service_account("bob", narrow).access_key,
        "session": issuer.assume_role("bob", 900, narrow).access_key,
        "root": ROOT.access_key,
        "root's": issuer.assume_role(ROOT.access_key, 900, narrow).access_key,
    }
    asked = {
        ("s3:GetObject", "b/a/k"): {"bob", "key", "service", "session", "root", "root's"},
        ("s3:PutObject", "b/a/k"): {"bob", "key", "service", "session", "root", "root's"},
        ("s3:GetObject", "b/x"): {"bob", "key", "root"},
        ("s3:PutObject", "b/x"): {"root"},
        ("s3:DeleteObject", "b/a/k"): {"root", "root's"},
    }
    for (action, key), allowed in asked.items():
        assert {who for who, access in keys.items() if may(identities, access, action, key)} == allowed


def test_the_language_decides_what_a_policy_is(identities: IdentityStore[Policy]) -> None:
    admin, issuer = Administration(identities), CredentialIssuer(identities)
    admin.add_user("bob", Role.S3, PASSWORD)
    for wrong in ("{", allowing("s3:Nonsense", "b/*"), allowing("s3:GetObject", "b/" + "x" * 2048)):
        with pytest.raises(MalformedPolicy):
            admin.add_policy("wrong", wrong)
        with pytest.raises(MalformedPolicy):
            issuer.add_service_account("bob", wrong)
        with pytest.raises(MalformedPolicy):
            issuer.assume_role("bob", 900, wrong)
    admin.add_policy("spacious", " " * 4096 + allowing("s3:GetObject", "b/*"))  # white space is free
