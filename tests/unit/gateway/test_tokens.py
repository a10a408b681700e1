"""Tokens come back as they were made; anything else is InvalidArgument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.gateway.tokens import decode_token, encode_token
from weka_mp.s3.errors import S3Error


@given(st.binary(max_size=1100))
def test_round_trip(marker):
    token = encode_token(marker)
    assert decode_token(token) == marker
    assert token.isascii() and "=" not in token and "/" not in token and "+" not in token


@given(st.text(max_size=40))
def test_garbage_is_refused(text):
    with pytest.raises(S3Error) as caught:
        decode_token(text)
    assert caught.value.code == "InvalidArgument"


def test_a_changed_token_is_refused():
    token = encode_token(b"some/key")
    with pytest.raises(S3Error):
        decode_token(token[:-1] + ("A" if token[-1] != "A" else "B"))
