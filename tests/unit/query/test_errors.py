"""Every error of the rooms below has a code here, and nothing that XML cannot carry gets out."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.errors import NoSpace
from weka_mp.identity import errors as trouble
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.query.errors import CATALOGUE, QueryError, to_query_error
from weka_mp.query.parameters import Parameters, parse
from weka_mp.query.xml import render, render_error
from weka_mp.s3.errors import CATALOGUE as OF_S3
from weka_mp.s3.errors import S3Error


def test_every_error_of_identities_has_a_code() -> None:
    for name in trouble.__all__:
        kind = getattr(trouble, name)
        if kind is trouble.IdentityError:
            continue
        found = to_query_error(kind(5) if kind is trouble.LockedOut else kind("why"))
        assert found is not None and found.code in CATALOGUE, name
        assert found.code != "ServiceFailure", name


@pytest.mark.parametrize("code", sorted(OF_S3))
def test_every_error_of_s3_has_a_code(code: str) -> None:
    error = S3Error(code)
    found = to_query_error(error)
    assert found is not None
    assert (found.status >= 500) == (error.status >= 500)


def test_what_is_to_be_tried_again_says_so() -> None:
    for code, wanted in (("SlowDown", "Throttling"), ("ServiceUnavailable", "ServiceUnavailable")):
        found = to_query_error(S3Error(code))
        assert found is not None and (found.code, found.status) == (wanted, 503)


def test_others() -> None:
    policy, store = to_query_error(MalformedPolicy("Statement", "bad")), to_query_error(NoSpace())
    assert policy is not None and policy.code == "MalformedPolicyDocument"
    assert store is not None and (store.code, store.fault) == ("ServiceUnavailable", "Receiver")
    assert to_query_error(KeyError("ours")) is None


def test_a_message_is_text() -> None:
    nasty = "<a>&\"]]>" + "".join(map(chr, range(32))) + "\x7f\x85\u2028\ud800\ufffe" + "x" * 5000
    document = ElementTree.fromstring(render_error(QueryError("ValidationError", nasty), "urn:x", "<id>"))
    message = document.findtext("{urn:x}Error/{urn:x}Message") or ""
    assert message.startswith("<a>&\"]]>?") and len(message) == 1_000
    assert document.findtext("{urn:x}RequestId") == "<id>"


def test_values_of_an_answer_are_text() -> None:
    root = ElementTree.fromstring(render("Some", "urn:x", {
        "Text": "</Text>&", "Number": 3, "Flag": False, "Absent": None, "List": ["<", {"Part": "\r"}],
        "Empty": [],
    }, "id"))
    found = {one.tag.partition("}")[2]: one.text for one in root.iter()}
    assert (found["Text"], found["Number"], found["Flag"], found["Part"]) == ("</Text>&", "3", "false", "\r")
    assert "Absent" not in found and found["Empty"] is None


def test_members() -> None:
    tags = b"T.member.1.Key=a&T.member.1.Value=b+c&T.member.2.Key=d&T.member.2.Value="
    found = parse((), tags + b"&K.member.1=x")
    assert found.pairs("T") == {"a": "b c", "d": ""} and found.texts("K") == ["x"]
    assert found.pairs("Absent") == {}


@pytest.mark.parametrize(
    "form",
    [
        {"T.member.2.Key": "a", "T.member.2.Value": "b"}, {"T.member.1.Key": "a"}, {"T": "x"},
        {"T.member.1.Key": "a", "T.member.1.Value": "b", "T.member.1.More": "c"}, {"T.member.0": "x"},
        {"T.1.Key": "a", "T.1.Value": "b"}, {"T.member.1.Key.x": "a"}, {"T.member.01.Key": "a"},
        {"T.member.1.Key": "a", "T.member.1.Value": "", "T.member.2.Key": "a", "T.member.2.Value": ""},
    ],
)
def test_members_that_are_none(form: dict[str, str]) -> None:
    with pytest.raises(QueryError) as caught:
        Parameters(form).pairs("T")
    assert caught.value.code == "ValidationError"


@given(st.binary(max_size=200) | st.text("%&=+.ab1KeyValuember", max_size=60).map(str.encode))
def test_any_bytes_are_parameters_or_refused(form: bytes) -> None:
    try:
        found = parse((("Action", "x"),), form)
    except QueryError as error:
        assert error.code == "MalformedQueryString"
        return
    assert found.action == "x"
    for ask in (found.texts, found.pairs, found.flag, lambda name: found.number(name, 1, 0, 9)):
        for name in ("a", "b"):
            try:
                ask(name)
            except QueryError as error:
                assert error.code == "ValidationError"
