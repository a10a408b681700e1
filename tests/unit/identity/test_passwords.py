"""The password rule."""

from __future__ import annotations

import pytest

from weka_mp.identity.errors import InvalidInput
from weka_mp.identity.passwords import check_password, same_secret


@pytest.mark.parametrize("password", ["Abcdefg1", "Abcdefg-", "A" + "b" * 126 + "1", "aB3$%^&*"])
def test_good_ones(password: str) -> None:
    check_password(password)


@pytest.mark.parametrize(
    "password",
    ["", "Abcde1-", "abcdefg1", "ABCDEFG1", "Abcdefgh", "Abc defg1",
     "Abcdefg1\n", "Äbcdefg1", "A1" + 127 * "b"],
)  # fmt: skip
def test_bad_ones_are_refused_and_not_shown(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_password(password)
    assert not password or password not in str(caught.value)


def test_comparison() -> None:
    assert same_secret("Abcdefg1", "Abcdefg1")
    assert not same_secret("Abcdefg1", "Abcdefg2")
    assert not same_secret("Abcdefg1", "Abcdefg1x")
    assert not same_secret("\0", "")
    assert not same_secret("a", "\udcff")  # what is no text is no password, and no error
