"""Which changes are system events, by every door; what an event says, and to whom it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.control.test_desk import OTHER, PASSWORD, POLICY, Office, sample
from weka_mp.control.desk import Question
from weka_mp.control.events import EVENTS, tell
from weka_mp.control.identity_routes import IDENTITY_ROUTES
from weka_mp.events import TYPES, Wanted
from weka_mp.gateway import events as of_s3
from weka_mp.gateway import standing
from weka_mp.gateway.context import Context, Site
from weka_mp.gateway.dispatch import _ANSWERS, dispatch
from weka_mp.gateway.principals import Principal
from weka_mp.query import events as of_query
from weka_mp.query.operations import APIS
from weka_mp.s3 import operations as op
from weka_mp.values import BucketName

READING = ("Get", "List", "Head")


def shown(office: Office, **query: object) -> list[dict[str, Any]]:
    return list(office.root("GET", "/events", {"num_results": 0, **query}))


def test_every_change_over_the_desk_is_an_event_or_said_to_be_none() -> None:
    changing = {(route.method, route.path) for route in IDENTITY_ROUTES if route.method != "GET"}
    assert changing == EVENTS.keys()
    assert {name for name in EVENTS.values() if name is not None} <= TYPES.keys()
    assert [key for key, name in EVENTS.items() if name is None] == [
        ("POST", "/login"), ("POST", "/login/refresh"), ("POST", "/s3/explain")]


def test_every_operation_of_iam_and_s3_that_changes_something_is_an_event() -> None:
    actions = {action for api in APIS for action in api.operations}
    assert {action for action in actions if not action.startswith(READING)} | {"GetSessionToken"} == (
        of_query.EVENTS.keys())
    assert {name for name in of_query.EVENTS.values() if name} <= TYPES.keys()
    confirming = {kind for kind, answer in _ANSWERS.items() if answer.__module__ == standing.__name__}
    built = {kind for kind in _ANSWERS.keys() - confirming if not kind.__name__.startswith(READING)}
    objects = {kind for kind in built if hasattr(kind, "key") or "key" in getattr(kind, "__slots__", ())}
    assert {kind.__name__ for kind in built - objects - of_s3.EVENTS.keys()} == {"DeleteObjects"}
    assert {kind.__name__ for kind in objects & of_s3.EVENTS.keys()} == set()
    assert set(of_s3.EVENTS.values()) <= TYPES.keys()


def test_each_change_is_told_with_who_and_from_where(office: Office) -> None:
    office.root("POST", "/users", {"username": "victim", "role": "s3", "password": PASSWORD})
    office.desk.tls.kept.make_own(["localhost"])
    for route in IDENTITY_ROUTES:
        name = EVENTS.get((route.method, route.path))
        if name is None or route.verb is None or "{key}" in route.path:
            continue
        if "victim" not in {user["username"] for user in office.root("GET", "/users")}:
            office.add("victim", "s3")
        if "victims" not in {policy["policy"] for policy in office.root("GET", "/s3/policies")}:
            office.root("POST", "/s3/policies", {"policy_name": "victims", "policy_file_content": POLICY})
        if "victims" not in {bucket["name"] for bucket in office.root("GET", "/s3/buckets")}:
            office.root("POST", "/s3/buckets", {"bucket_name": "victims"})
        if "victims" not in {target["name"] for target in office.root("GET", "/s3/notificationTargets")}:
            office.root("POST", "/s3/notificationTargets", {
                "target_name": "victims", "endpoint": "https://h.example/"})
        if route.path.endswith("detach"):
            office.root("POST", "/s3/policies/attach", {"policy_name": "victims", "user_name": "victim"})
        path, body = sample(route)
        if "{rule}" in path:
            rules = path.removesuffix("/{rule}")
            path = f"{rules}/{office.root('POST', rules, {'expiry_days': 1})['rule_id']}"
        before = len(shown(office))
        done = office.ask(route.method, path, body, source="192.0.2.9", trusted=True)
        if done.status == 403:  # what root cannot do to itself, and nobody is told of
            assert len(shown(office)) == before
            continue
        assert done.status in (200, 201), (route, done.content)
        found = shown(office)
        assert len(found) == before + 1, route
        assert (found[-1]["type"], found[-1]["user"], found[-1]["source"], found[-1]["via"]) == (
            name, "root", "192.0.2.9", "admin")


def test_what_is_refused_or_only_asked_is_no_event(office: Office) -> None:
    office.add("ann", "s3")
    token = office.token("ann")
    before = shown(office)
    for method, path in [("GET", "/users"), ("GET", "/events"), ("DELETE", "/users/nobody")]:
        office.ask(method, path, trusted=True)
    assert office.ask("POST", "/s3/buckets", {"bucket_name": "hers"}, token=token).status == 403
    assert office.login("ann", "Wrong-Horse-1").status == 401
    assert shown(office) == before


def test_no_event_holds_a_secret(office: Office) -> None:
    office.add("ann", "s3")
    office.root("PUT", "/users/ann/password", {"password": OTHER})
    token = office.token("ann", OTHER)
    made: Any = office.ask("POST", "/s3/serviceAccounts", {"policy_file_content": POLICY}, token=token)
    account = made.content["data"]
    assumed: Any = office.ask("POST", "/s3/sts", {"access_key": "ann", "secret_key": OTHER})
    generated: Any = office.root("POST", "/login/tokens")
    office.root("POST", "/s3/policies", {"policy_name": "reports", "policy_file_content": POLICY})
    text = json.dumps(shown(office))
    secrets = [
        PASSWORD, OTHER, token, account["secret_key"], assumed.content["data"]["secret_key"],
        assumed.content["data"]["session_token"], generated["access_token"], "s3:GetObject",
    ]
    assert [secret for secret in secrets if secret in text] == []
    assert account["access_key"] in text  # which key it was, though


def test_who_asks_for_temporary_credentials_is_told(office: Office) -> None:
    office.add("ann", "s3", account="lab")
    office.ask("POST", "/s3/sts", {"access_key": "ann", "secret_key": PASSWORD, "duration": 900})
    found = shown(office)[-1]
    assert (found["type"], found["user"], found["account"]) == ("S3AsssumeRoleEvent", "ann", "lab")
    assert found["parameters"]["duration"] == "900"


def test_a_password_of_ones_own_is_told_apart(office: Office) -> None:
    office.add("ann", "s3")
    office.ask("PUT", "/users/ann/password", {"password": OTHER}, token=office.token("ann"))
    assert shown(office)[-1]["type"] == "UserPasswordChanged"
    office.clock.advance(1000)
    office.root("PUT", "/users/ann/password", {"password": PASSWORD})
    assert shown(office)[-1]["type"] == "UserPasswordChangedByAnotherUser"


def test_who_is_no_cluster_administrator_sees_its_account_alone(office: Office) -> None:
    office.add("chief", "orgadmin", account="lab")
    office.add("other", "orgadmin", account="shop")
    token = office.token("chief")
    office.ask("POST", "/s3/buckets", {"bucket_name": "labs"}, token=token)
    seen: Any = office.ask("GET", "/events", token=token).content["data"]
    assert [event["type"] for event in seen] == ["S3CreateBucketEvent"]
    others: Any = office.ask("GET", "/events", token=office.token("other")).content["data"]
    assert others == []
    assert len(shown(office)) == 3


def test_an_event_cannot_be_forged_by_a_name(office: Office) -> None:
    log = office.desk.events
    forged = 'x\n00000000 {"t":1,"type":"UserDeleted"}\r\x1b[2J'
    office.ask("POST", "/s3/policies/detach", {"user_name": forged}, trusted=True)  # refused: no event


    tell(office.desk, Question("DELETE", "/api/v2/users/x", {}, trusted=True), "/users/{name}",
         office.desk.caller(Question("GET", "/", {}, trusted=True)), {"name": forged}, None)
    found = log.read(Wanted())
    assert len(found) == 1
    assert dict(found[0].parameters)["name"].isprintable()


@pytest.mark.parametrize("query", [
    {"num_results": -1}, {"num_results": "many"}, {"severity": "loud"}, {"category_list": "Nothing"},
    {"type_list": "S3AssumeRoleEvent"}, {"start_time": "yesterday"}, {"sort_order": "up"}, {"more": "x"},
    {"end_time": "9" * 30},
])  # fmt: skip
def test_what_is_asked_wrongly_is_refused(office: Office, query: dict[str, object]) -> None:
    done = office.ask("GET", "/events", query, trusted=True)
    assert (done.status, done.content["code"]) == (400, "InvalidInput")


def test_how_many_from_when_and_in_which_order(office: Office) -> None:
    for number in range(60):
        office.clock.advance(1_000_000_000)
        office.root("POST", "/s3/buckets", {"bucket_name": f"bucket-{number}"})
    assert len(office.root("GET", "/events")) == 50
    names = [event["parameters"]["bucket_name"] for event in office.root("GET", "/events", {
        "num_results": "2", "sort_order": "dsc"})]
    assert names == ["bucket-59", "bucket-58"]
    last = shown(office)[-3]["timestamp"]
    assert len(shown(office, start_time=last)) == 3
    assert len(shown(office, end_time=last)) == 58
    assert shown(office, severity="warning") == []
    assert shown(office, category_list="user,Security") == []
    assert len(shown(office, type_list="S3CreateBucketEvent")) == 60
    assert shown(office, exclude_type_list="S3CreateBucketEvent") == []


def test_a_bucket_that_is_there_already_is_made_once(office: Office) -> None:
    site = Site(office.desk.namespace, "us-east-1", "1" * 64)
    context = Context(site, Principal("1" * 64, "KEY", True, owner="root", user="root"))
    for _ in range(2):
        dispatch(context, op.CreateBucket(BucketName("photos"), None))
    found = shown(office)
    assert [(event["type"], event["via"], event["parameters"]["bucket"]) for event in found] == [
        ("S3CreateBucketEvent", "s3", "photos")]
