"""Conditions of writes in the namespace's words."""

import pytest

from weka_mp.gateway.objects_put import namespace_conditions, wanted_tag
from weka_mp.namespace import WriteConditions
from weka_mp.s3 import operations as op
from weka_mp.s3.errors import S3Error


@pytest.mark.parametrize(("header", "wanted"), [
    (None, None), ("*", "*"), (" * ", "*"), ('"abc"', "abc"), ("abc", "abc"),
    ('W/"abc"', ""), ('""', ""), ("", ""),
])
def test_one_tag(header, wanted):
    assert wanted_tag(header) == wanted


def test_several_tags_are_not_guessed_at():
    with pytest.raises(S3Error) as caught:
        wanted_tag('"a", "b"')
    assert caught.value.code == "NotImplemented"


def test_conditions():
    assert namespace_conditions(op.NO_WRITE_CONDITIONS) == WriteConditions()
    assert namespace_conditions(op.WriteConditions(None, "*")) == WriteConditions(None, True)
    assert namespace_conditions(op.WriteConditions('"a"', None)) == WriteConditions("a", False)
