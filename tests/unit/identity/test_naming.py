"""Names, and what is derived from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weka_mp.clock import SeededRandom
from weka_mp.identity import naming
from weka_mp.identity.errors import InvalidInput

STORE_ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("name", ["a", "bob", "B.o_b@x+1-2", "AKIAIOSFODNN7EXAMPLE", "x" * 64, "_x", "9"])
def test_names_of_users(name: str) -> None:
    naming.check_user_name(name)


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "-x", "a/b", "a,b", "a=b", "a b", "a\n", "a\0", "ü", ".x", "a:b", "${x}", "a*"]
)
def test_names_that_no_user_has(name: str) -> None:
    with pytest.raises(InvalidInput):
        naming.check_user_name(name)


@pytest.mark.parametrize("check", [naming.check_policy_name, naming.check_group_name])
def test_names_of_groups_and_policies_are_iams(check: Callable[[str], None]) -> None:
    for name in ("p", "P_+=,.@-9", "x" * 128):
        check(name)
    for name in ("", "x" * 129, "a/b", "a b", "é", "a\n"):
        with pytest.raises(InvalidInput):
            check(name)


def test_golden_ids_of_accounts() -> None:
    assert naming.canonical_id(STORE_ID, "root") == "0" * 63 + "1"
    canonical = naming.canonical_id(STORE_ID, "physics")
    assert canonical == "642418bec7e2ea5cb1e1a4af4c4614c59743e1d9dd008afd5085790136954148"
    assert naming.account_number(canonical) == canonical[-12:]
    assert canonical[-12:].isdecimal()
    assert canonical != naming.canonical_id("f" * 32, "physics")


def test_arns() -> None:
    assert naming.entity_arn("000000000001", "user", "bob") == "arn:aws:iam::000000000001:user/bob"
    assert naming.entity_arn("000000000001", "user", "root") == "arn:aws:iam::000000000001:root"
    assert naming.entity_arn("000000000001", "policy", "root") == "arn:aws:iam::000000000001:policy/root"


def test_generated_keys_have_the_form_of_awss() -> None:
    random = SeededRandom(1)
    keys = {naming.new_access_key(naming.TEMPORARY_PREFIX, random) for _ in range(100)}
    assert len(keys) == 100
    assert all(naming.generated_kind(key) == "ASIA" and len(key) == 20 for key in keys)
    assert naming.generated_kind("ASIA" + "a" * 16) is None
    assert naming.generated_kind("../../etc/passwd") is None
    assert len(naming.new_secret(random)) == 40


def test_unique_ids_tell_bearers_of_a_name_apart() -> None:
    one, other = naming.unique_id("AIDA", 5), naming.unique_id("AIDA", 6)
    assert one != other and one.startswith("AIDA") and len(one) == 21
    assert one == naming.unique_id("AIDA", 5)
    assert naming.unique_id("AGPA", 5)[4:] != one[4:]


def test_serials_are_positive_and_have_63_bits() -> None:
    random = SeededRandom(3)
    assert all(1 <= naming.new_serial(random) < 2**63 for _ in range(1000))
