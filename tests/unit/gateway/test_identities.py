"""Whose request it is: whose signature was verified, or nobody's where nothing was signed."""

from __future__ import annotations

import pytest

from weka_mp.gateway.identities import Asking, Identities
from weka_mp.identity import RootKeys
from weka_mp.s3.errors import S3Error


@pytest.fixture
def asking() -> Asking:
    return Asking(Identities(RootKeys("ROOT", "secret"), "0" * 63 + "1", None, (65534, 65534)))


def code(asking: Asking, access_key: str) -> str:
    with pytest.raises(S3Error) as caught:
        asking.principal(access_key, 0.0)
    return caught.value.code


def test_what_was_signed_is_judged_as_who_signed_it(asking: Asking) -> None:
    assert asking.lookup("ROOT") is not None
    assert asking.principal("ROOT", 0.0).is_root


def test_what_was_signed_is_never_taken_for_what_nobody_signed_nor_for_anothers(asking: Asking) -> None:
    """Not even where a step was left out: a key that was not looked up, or another one than was."""
    assert code(asking, "ROOT") == "InvalidAccessKeyId"
    assert asking.lookup("ROOT") is not None
    assert code(asking, "EVE") == "InvalidAccessKeyId"
    assert asking.lookup("EVE") is None
    assert code(asking, "EVE") == code(asking, "ROOT") == "InvalidAccessKeyId"


def test_what_nobody_signed_is_nobodys(asking: Asking) -> None:
    assert asking.lookup("ROOT") is not None
    nobody = asking.principal(None, 0.0)
    assert (nobody.account, nobody.is_root) == (None, False)
