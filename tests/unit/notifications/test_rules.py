"""What a bucket's rules say, which documents are refused, and which rule an event is for."""

from __future__ import annotations

from typing import Any

import pytest

from weka_mp.notification_rules import KINDS, Rule, decode, encode, overlapping, parse_arn, rule_for
from weka_mp.s3.errors import S3Error
from weka_mp.s3.notification_xml import notification_document, notification_rules

ALL = "s3:ObjectCreated:*"


def rule(**changed: Any) -> Rule:
    known: dict[str, Any] = {
        "id": "one", "kind": "TopicConfiguration", "arn": "arn:aws:sns:::hook", "target": "hook",
        "events": (ALL,),
    }  # fmt: skip
    return Rule(**{**known, **changed})


def xml(*rules: str) -> bytes:
    return f"<NotificationConfiguration>{''.join(rules)}</NotificationConfiguration>".encode()


def topic(name: str = "", *events: str, filters: str = "", arn: str = "arn:aws:sns:::hook") -> str:
    label = f"<Id>{name}</Id>" if name else ""
    told = "".join(f"<Event>{event}</Event>" for event in events or (ALL,))
    within = f"<Filter><S3Key>{filters}</S3Key></Filter>" if filters else ""
    return f"<TopicConfiguration>{label}<Topic>{arn}</Topic>{told}{within}</TopicConfiguration>"


def filter_rule(name: str, value: str) -> str:
    return f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"


def refusal(body: bytes) -> S3Error:
    with pytest.raises(S3Error) as failure:
        notification_rules(body)
    return failure.value


def test_a_document_comes_back_as_it_was_put() -> None:
    filters = filter_rule("prefix", "in/") + filter_rule("Suffix", ".csv")
    queue = (
        "<QueueConfiguration><Queue>arn:aws:sqs:eu-1::q</Queue><Event>s3:ObjectTagging:Put</Event>"
        "</QueueConfiguration>"
    )
    function = (
        "<CloudFunctionConfiguration><Id>f</Id><CloudFunction>arn:aws:lambda:::function:q</CloudFunction>"
        "<Event>s3:LifecycleExpiration:*</Event></CloudFunctionConfiguration>"
    )
    rules = notification_rules(xml(function, topic("a&amp;b", filters=filters), queue))
    assert [(one.id, one.target, one.prefix, one.suffix) for one in rules] == [
        ("f", "q", None, None), ("a&b", "hook", "in/", ".csv"), ("", "q", None, None),
    ]
    shown = notification_rules(notification_document(rules))
    assert set(shown) == set(rules)
    assert decode(encode(rules)) == rules
    assert notification_rules(xml()) == ()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<NotificationConfiguration>", "MalformedXML"),
        (xml("<TopicConfiguration><Event>s3:ObjectCreated:*</Event></TopicConfiguration>"), "MalformedXML"),
        (xml("<TopicConfiguration><Topic>arn:aws:sns:::hook</Topic></TopicConfiguration>"), "MalformedXML"),
        (xml("<Other/>"), "MalformedXML"),
        (xml("<EventBridgeConfiguration/>"), "NotImplemented"),
        (xml(topic("x" * 256)), "InvalidArgument"),
        (xml(topic("", "s3:ObjectRestore:*")), "InvalidArgument"),
        (xml(topic("", "s3:ObjectCreated")), "InvalidArgument"),
        (xml(topic(arn="hook")), "InvalidArgument"),
        (xml(topic(arn="arn:aws:sns:us-east-1:123456789012:hook")), "InvalidArgument"),
        (xml(topic(arn="arn:aws:sqs:::hook")), "InvalidArgument"),
        (xml(topic(filters=filter_rule("name", "x"))), "InvalidArgument"),
        (xml(topic(filters=filter_rule("prefix", "x") * 2)), "InvalidArgument"),
        (xml(topic(filters=filter_rule("suffix", "x" * 1025))), "InvalidArgument"),
        (xml(topic(filters="<FilterRule><Name>prefix</Name></FilterRule>")), "MalformedXML"),
        (xml(topic("a"), topic("a", "s3:ObjectRemoved:*")), "InvalidArgument"),
        (xml(*[topic("", filters=filter_rule("prefix", f"{n:03d}")) for n in range(101)]), "InvalidArgument"),
    ],
)
def test_a_wrong_document_is_refused(body: bytes, code: str) -> None:
    assert refusal(body).code == code


def test_what_is_refused_names_the_argument() -> None:
    assert refusal(xml("<EventBridgeConfiguration/>")).details["Element"] == "EventBridgeConfiguration"
    failure = refusal(xml(topic("", "s3:Nonsense:*")))
    assert failure.details == {"ArgumentName": "Event", "ArgumentValue": "s3:Nonsense:*"}
    failure = refusal(xml(topic(arn="arn:aws:sns")))
    assert failure.details == {"ArgumentName": "arn:aws:sns", "ArgumentValue": "The ARN is not well formed"}
    failure = refusal(xml(topic("a"), topic("b", "s3:ObjectCreated:Put")))
    assert "overlap" in failure.message and failure.details["ArgumentValue"] == "s3:ObjectCreated:Put"


@pytest.mark.parametrize(
    ("first", "second", "meets"),
    [
        ({}, {}, True),
        ({}, {"events": ("s3:ObjectRemoved:*",)}, False),
        ({}, {"events": ("s3:ObjectCreated:Copy",)}, True),
        ({"events": ("s3:ObjectCreated:Put",)}, {"events": ("s3:ObjectCreated:Copy",)}, False),
        ({"prefix": "a"}, {"prefix": "b"}, False),
        ({"prefix": "a"}, {"prefix": "ab"}, True),
        ({"prefix": "a"}, {}, True),
        ({"suffix": ".jpg"}, {"suffix": ".png"}, False),
        ({"suffix": ".jpg"}, {"suffix": "g"}, True),
        ({"prefix": "a", "suffix": ".jpg"}, {"prefix": "a", "suffix": ".png"}, False),
        ({"prefix": "a", "suffix": ".jpg"}, {"prefix": "b", "suffix": ".jpg"}, False),
        ({"prefix": "a", "suffix": ".jpg"}, {"prefix": "ab"}, True),
    ],
)
def test_no_two_rules_are_about_the_same_event_of_one_key(
    first: dict[str, Any], second: dict[str, Any], meets: bool
) -> None:
    for pair in ((first, second), (second, first)):
        rules = [rule(id=str(at), **changed) for at, changed in enumerate(pair)]
        assert (overlapping(rules) is not None) == meets


def test_the_rule_that_an_event_is_for() -> None:
    rules = (
        rule(id="csv", suffix=".csv"), rule(id="in", prefix="in/", suffix=".txt"),
        rule(id="gone", events=("s3:ObjectRemoved:Delete",)),
    )  # fmt: skip

    def found(event: str, key: bytes) -> str | None:
        chosen = rule_for(rules, event, key)
        return None if chosen is None else chosen.id

    assert found("s3:ObjectCreated:Post", b"x.csv") == "csv"
    assert found("s3:ObjectCreated:Put", b"in/x.txt") == "in"
    assert found("s3:ObjectCreated:Put", b"out/in/x.txt") is None
    assert found("s3:ObjectRemoved:Delete", b"anything") == "gone"
    assert found("s3:ObjectRemoved:DeleteMarkerCreated", b"anything") is None
    assert found("s3:ObjectTagging:Put", b"x.csv") is None
    umlaut = rule(prefix="ä", suffix="ö")
    assert umlaut.concerns("s3:ObjectCreated:Put", "äö".encode())


def test_arns_name_targets() -> None:
    for kind in KINDS:
        named = parse_arn(kind.arn("my-hook", "eu-west-1"))
        assert named is not None and (named.kind, named.region, named.name) == (kind, "eu-west-1", "my-hook")
    for text in ("", "arn:aws:sns:::", "arn:aws:lambda:::hook", "arn:minio:sqs::1:webhook", "arn:aws:s3:::b"):
        assert parse_arn(text) is None
