"""Lifecycle rules over the administration API: the same that S3 sets and shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.control.test_bucket_verbs import PHOTOS, namespace, office, refused
from tests.unit.control.test_desk import Office
from weka_mp.gateway.bucket_lifecycle import replace_rules
from weka_mp.lifecycle import Rule
from weka_mp.namespace import Namespace

__all__ = ["namespace", "office"]  # fixtures

RULES = "/s3/buckets/photos/lifecycle/rules"


@pytest.fixture
def photos(office: Office) -> Office:
    office.root("POST", "/s3/buckets", {"bucket_name": "photos"})
    return office


def rows(office: Office) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.root("GET", RULES)
    return found


def test_rules_are_added_listed_removed_and_reset(photos: Office, namespace: Namespace) -> None:
    assert rows(photos) == []
    done = photos.ask("POST", RULES, {"expiry_days": 30}, trusted=True)
    assert done.status == 201
    first = done.content["data"]["rule_id"]
    body = {"expiry_days": 7, "prefix": "tmp/", "tags": "a=1&b%20c=+"}
    second = photos.root("POST", RULES, body)["rule_id"]
    assert namespace.lifecycle_rules(PHOTOS) == (
        Rule(first, enabled=True, days=30),
        Rule(second, enabled=True, prefix="tmp/", tags=(("a", "1"), ("b c", "+")), days=7, joined=True),
    )
    assert [(row["id"], row["expires"], row["prefix"], row["tags"]) for row in rows(photos)] == [
        (first, 30, "", ""), (second, 7, "tmp/", "a=1&b c=+")
    ]  # fmt: skip
    assert refused(photos, "DELETE", f"{RULES}/nowhere") == (404, "NoSuchEntity")
    photos.root("DELETE", f"{RULES}/{first}")
    assert [row["id"] for row in rows(photos)] == [second]
    for _ in range(2):
        photos.root("DELETE", RULES)
    assert rows(photos) == []
    assert namespace.bucket_settings(PHOTOS).lifecycle is None


def test_what_s3_set_stays_beside_what_is_added(photos: Office, namespace: Namespace) -> None:
    set_over_s3 = (
        Rule("dated", enabled=False, prefix="a", date_s=86_400, legacy=True),
        Rule("uploads", enabled=True, prefix="", abort_days=3, legacy=True),
    )
    replace_rules(namespace, PHOTOS, lambda _: set_over_s3)
    photos.root("POST", RULES, {"expiry_days": 1})
    shown = rows(photos)
    assert [(row["id"], row["enabled"], row["expiry_date"], row["abort_days"]) for row in shown[:2]] == [
        ("dated", False, "1970-01-02", None), ("uploads", True, None, 3)
    ]  # fmt: skip
    kept = namespace.lifecycle_rules(PHOTOS)
    assert [(rule.id, rule.prefix, rule.legacy) for rule in kept[:2]] == [
        ("dated", "a", False), ("uploads", "", False)  # S3 knows no two forms in one document
    ]  # fmt: skip


@pytest.mark.parametrize("body", [
    {}, {"expiry_days": 0}, {"expiry_days": -1}, {"expiry_days": 2**31}, {"expiry_days": "1"},
    {"expiry_days": True}, {"expiry_days": 1, "prefix": "p" * 1025}, {"expiry_days": 1, "tags": "a"},
    {"expiry_days": 1, "tags": "a=1&a=2"}, {"expiry_days": 1, "tags": "=1"},
    {"expiry_days": 1, "tags": "aws:a=1"}, {"expiry_days": 1, "tags": "a=%ff"},
    {"expiry_days": 1, "tags": "a=" + "v" * 257}, {"expiry_days": 1, "transition": "x"},
    {"expiry_days": 1, "tags": "&".join(f"k{number}=v" for number in range(11))},
])  # fmt: skip
def test_what_is_no_rule_is_refused(photos: Office, body: dict[str, object]) -> None:
    assert refused(photos, "POST", RULES, body) == (400, "InvalidInput")
    assert rows(photos) == []


def test_a_thousand_rules_and_no_more(photos: Office, namespace: Namespace) -> None:
    many = tuple(Rule(f"r{number}", enabled=True, days=1) for number in range(999))
    replace_rules(namespace, PHOTOS, lambda _: many)
    photos.root("POST", RULES, {"expiry_days": 1})
    assert refused(photos, "POST", RULES, {"expiry_days": 1}) == (400, "InvalidInput")
    assert len(rows(photos)) == 1000


def test_another_buckets_rules_are_nobodys(photos: Office) -> None:
    assert refused(photos, "GET", "/s3/buckets/nowhere/lifecycle/rules") == (404, "NoSuchEntity")
    assert refused(photos, "POST", "/s3/buckets/nowhere/lifecycle/rules", {"expiry_days": 1}) == (
        404, "NoSuchEntity")
