"""Which rule fits a page of another origin, and what its browser is told."""

from __future__ import annotations

import pytest

from weka_mp.s3.cors import (
    VARY,
    CorsRule,
    answer_fields,
    dump_rules,
    load_rules,
    preflight,
    preflight_fields,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers

ANY = CorsRule(("*",), ("GET",))
SHOP = CorsRule(
    ("https://*.shop.example", "http://localhost"), ("PUT", "POST"), ("x-amz-*", "Content-Type"),
    ("ETag", "x-amz-request-id"), 3000, "shop",
)  # fmt: skip
RULES = (ANY, SHOP)


def ask(origin: str, method: str, headers: str | None = None) -> dict[str, str] | None:
    fields = [("Origin", origin), ("Access-Control-Request-Method", method)]
    if headers is not None:
        fields.append(("Access-Control-Request-Headers", headers))
    found = preflight_fields(RULES, preflight(Headers(fields)))
    return None if found is None else dict(found)


def test_a_rule_for_everybody_names_nobody() -> None:
    assert ask("https://any.example", "GET") == {
        "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET",
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }  # fmt: skip


def test_a_rule_for_some_names_who_asked() -> None:
    assert ask("https://a.shop.example", "PUT", "X-Amz-Date, content-type,,") == {
        "Access-Control-Allow-Origin": "https://a.shop.example",
        "Access-Control-Allow-Methods": "PUT, POST",
        "Access-Control-Allow-Headers": "x-amz-date, content-type",
        "Access-Control-Expose-Headers": "ETag, x-amz-request-id",
        "Access-Control-Max-Age": "3000",
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }


@pytest.mark.parametrize(("origin", "method", "headers"), [
    ("https://any.example", "PUT", None),
    ("https://any.example", "GET", "x-amz-date"),  # that rule allows no headers
    ("https://a.shop.example.evil.example", "PUT", None),
    ("http://a.shop.example", "PUT", None),  # another scheme
    ("https://shop.example", "PUT", None),  # the dot is part of the pattern
    ("HTTPS://A.SHOP.EXAMPLE", "PUT", None),  # origins are compared as they are
    ("http://localhost:8080", "PUT", None),
    ("https://a.shop.example", "DELETE", None),
    ("https://a.shop.example", "PUT", "x-amz-date, cookie"),
    ("https://a.shop.example", "PUT", "content-type-x"),
])  # fmt: skip
def test_what_no_rule_allows(origin: str, method: str, headers: str | None) -> None:
    assert ask(origin, method, headers) is None


def test_the_first_rule_that_allows_it_counts() -> None:
    own = CorsRule(("https://own.example",), ("GET",))
    assert dict(answer_fields((own, ANY), "https://own.example", "GET"))["Access-Control-Allow-Origin"] != "*"
    assert dict(answer_fields((ANY, own), "https://own.example", "GET"))["Access-Control-Allow-Origin"] == "*"
    assert answer_fields(RULES, "https://any.example", "DELETE") == (VARY,)
    assert answer_fields((), "https://any.example", "GET") == ()


@pytest.mark.parametrize("name", ["a b", "x\ty", "<script>", "a:b", "a\"", "é", "x(y)"])
def test_regression_what_is_no_name_of_a_header_is_not_repeated(name: str) -> None:
    rule = CorsRule(("*",), ("PUT",), ("*",))
    assert rule.allows("https://a", "PUT", ("x-amz-date", "!#$%&'*+.^_`|~0-9"))
    assert not rule.allows("https://a", "PUT", ("x-amz-date", name))


@pytest.mark.parametrize(("fields", "message"), [
    ((), "Origin"),
    ((("Origin", ""),), "Origin"),
    ((("Origin", "http://a"),), "Access-Control-Request-Method"),
    ((("Origin", "http://a"), ("Access-Control-Request-Method", "PATCH")), "PATCH"),
    ((("Origin", "http://a"), ("Access-Control-Request-Method", "get")), "get"),
])  # fmt: skip
def test_what_is_no_question_of_a_browser(fields: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(S3Error) as caught:
        preflight(Headers(fields))
    assert caught.value.code == "BadRequest"
    assert message in caught.value.message


def test_rules_are_kept_as_they_are() -> None:
    assert load_rules(dump_rules(RULES)) == RULES
