"""What only the IAM API changes: policies within, tags, names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.identity.kit import PASSWORD, SOME_POLICY, BadPolicy, Bench, memory_bench
from weka_mp.identity import Role
from weka_mp.identity.errors import (
    EntityExists,
    InUse,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    Unmodifiable,
)
from weka_mp.identity.iam_changes import IamChanges
from weka_mp.identity.model import MAX_DOCUMENT_BYTES, MAX_INLINE


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with memory_bench(tmp_path) as made:
        made.admin.add_user("bob", Role.S3, PASSWORD)
        made.admin.add_group("staff")
        yield made


@pytest.fixture
def iam(bench: Bench) -> IamChanges[Any]:
    return IamChanges(bench.store)


def names(bench: Bench) -> list[str]:
    return [policy.name for policy in bench.store.principal_of_user("bob").policies]


def test_every_policy_counts_once(bench: Bench, iam: IamChanges[Any]) -> None:
    bench.admin.attach_by_cli("readonly", "bob")
    bench.admin.attach_to_user("readwrite", "bob")
    iam.put_in_user("bob", "own", SOME_POLICY)
    iam.put_in_group("staff", "ours", SOME_POLICY)
    bench.admin.attach_to_group("readonly", "staff")
    assert names(bench) == ["readonly", "readwrite", "own of user bob"]
    bench.admin.join_group("staff", "bob")
    assert names(bench) == ["readonly", "readwrite", "own of user bob", "ours of group staff"]
    iam.remove_from_user("bob", "own")
    iam.remove_from_group("staff", "ours")
    assert names(bench) == ["readonly", "readwrite"]


REFUSED: list[tuple[type[Exception], Callable[[IamChanges[Any]], object]]] = [
    (NoSuchEntity, lambda iam: iam.put_in_user("nobody", "p", SOME_POLICY)),
    (NoSuchEntity, lambda iam: iam.put_in_group("nobody", "p", SOME_POLICY)),
    (NoSuchEntity, lambda iam: iam.remove_from_user("bob", "p")),
    (NoSuchEntity, lambda iam: iam.remove_from_group("staff", "p")),
    (BadPolicy, lambda iam: iam.put_in_user("bob", "p", "{")),
    (BadPolicy, lambda iam: iam.put_in_group("staff", "p", "{")),
    (InvalidInput, lambda iam: iam.put_in_user("bob", "a b", SOME_POLICY)),
    (InvalidInput, lambda iam: iam.put_in_user("bob", "p", f'{{"a": "{"x" * MAX_DOCUMENT_BYTES}"}}')),
    (InvalidInput, lambda iam: iam.tag_user("bob", lambda _: {"aws:a": ""})),
    (InvalidInput, lambda iam: iam.tag_user("bob", lambda _: {"a": "", "A": ""})),
    (InvalidInput, lambda iam: iam.tag_user("bob", lambda _: {f"k{n}": "" for n in range(51)})),
    (NoSuchEntity, lambda iam: iam.tag_user("nobody", lambda old: old)),
    (Unmodifiable, lambda iam: iam.tag_policy("readonly", lambda old: old)),
    (NoSuchEntity, lambda iam: iam.tag_policy("nothing", lambda old: old)),
    (NoSuchEntity, lambda iam: iam.rename_user("nobody", "x")),
    (InvalidInput, lambda iam: iam.rename_user("bob", "a b")),
    (InvalidInput, lambda iam: iam.rename_user("bob", "Root")),
    (NoSuchEntity, lambda iam: iam.rename_group("nobody", "x")),
    (InvalidInput, lambda iam: iam.rename_group("staff", "")),
]


@pytest.mark.parametrize(("error", "step"), REFUSED)
def test_what_is_refused(
    bench: Bench, iam: IamChanges[Any], error: type[Exception], step: Callable[[IamChanges[Any]], object]
) -> None:
    before = bench.store.registry
    with pytest.raises(error):
        step(iam)
    assert bench.store.registry == before


def test_as_many_and_as_large_as_there_may_be(bench: Bench, iam: IamChanges[Any]) -> None:
    for number in range(MAX_INLINE):
        iam.put_in_user("bob", f"p{number}", SOME_POLICY)
    with pytest.raises(LimitExceeded):
        iam.put_in_user("bob", "more", SOME_POLICY)
    half = f'{{"a": "{"x" * (MAX_DOCUMENT_BYTES // 2)}"}}'
    iam.put_in_group("staff", "one", half)
    iam.put_in_group("staff", "one", half)
    with pytest.raises(LimitExceeded):
        iam.put_in_group("staff", "two", half)


def test_what_has_policies_within_is_not_removed_by_the_api(bench: Bench, iam: IamChanges[Any]) -> None:
    iam.put_in_user("bob", "p", SOME_POLICY)
    iam.put_in_group("staff", "p", SOME_POLICY)
    with pytest.raises(InUse):
        bench.admin.remove_user("bob", only_bare=True)
    with pytest.raises(InUse):
        bench.admin.remove_group("staff")


def test_a_name_changes_and_secrets_stay(bench: Bench, iam: IamChanges[Any]) -> None:
    key = bench.admin.add_access_key("bob")
    bench.admin.join_group("staff", "bob")
    given, service = bench.issuer.assume_role("bob"), bench.issuer.add_service_account("bob")
    former = bench.store.principal_of_user("bob")
    iam.rename_user("bob", "Bob")
    iam.rename_group("staff", "crew")
    assert bench.store.secret("bob") is None
    for access_key, secret in (("Bob", PASSWORD), (key.access_key, key.secret)):
        found = bench.store.secret(access_key)
        assert found is not None and found.secret == secret
    assert bench.store.registry.user("Bob").groups == ("crew",)
    assert bench.store.principal_of_user("Bob").user_id == former.user_id
    iam.rename_user("Bob", "bob")
    for issued in (given, service):
        assert bench.store.secret(issued.access_key) is None


def test_a_name_that_is_taken(bench: Bench, iam: IamChanges[Any]) -> None:
    bench.admin.add_user("ann", Role.S3, PASSWORD)
    bench.admin.add_group("crew")
    key = bench.issuer.add_service_account("ann").access_key
    taken: list[Callable[[], object]] = [
        lambda: iam.rename_user("bob", "ANN"), lambda: iam.rename_user("bob", key),
        lambda: iam.rename_group("staff", "Crew"),
    ]
    for step in taken:
        with pytest.raises(EntityExists):
            step()
    iam.rename_user("bob", "bob")
    iam.rename_group("staff", "staff")
