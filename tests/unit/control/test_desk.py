"""Who may do what over the administration API, asked of a desk over a store in memory."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.namespace.kit import FixedClock
from tests.unit.tls.certificates import issue, key_pem
from weka_mp.control.desk import Answer, Desk, Question
from weka_mp.control.identity_routes import IDENTITY_ROUTES, IdentityRoute, answer, find
from weka_mp.control.roles import MAY, Verb
from weka_mp.identity import Role, RootKeys
from weka_mp.namespace import Namespace
from weka_mp.policy.canned import AWS_POLICIES
from weka_mp.store.memory import MemoryStore
from weka_mp.supervise.identities import LazyDesk, open_desk

DOCUMENT = (Path(__file__).parents[3] / "docs" / "ADMINISTRATION.md").read_text("utf-8")
GIVEN = issue("localhost")
PASSWORD = "Correct-Horse-9"
OTHER = "Another-Horse-7"
_numbers = itertools.count()
ROOT = RootKeys("testroot", "testsecret")
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
)


class Office:
    """A desk, and how to ask it."""

    def __init__(self, namespace: Namespace, folder: Path, clock: FixedClock) -> None:
        self.clock = clock
        self.desk: Desk = open_desk(namespace, "/nowhere", str(folder / "state"), ROOT)
        self.desk.service = lambda: {"log_level": "info"}  # as if it ran

    def ask(
        self, method: str, path: str, body: dict[str, object] | None = None, *, token: str = "",
        source: str = "10.0.0.1", trusted: bool = False,
    ) -> Answer:  # fmt: skip
        authorization = f"Bearer {token}" if token else ""
        question = Question(method, f"/api/v2{path}", body or {}, authorization, source, trusted)
        found = find(method, question.path)
        assert found is not None, path
        return answer(self.desk, question, *found)

    def root(self, method: str, path: str, body: dict[str, object] | None = None) -> Any:
        done = self.ask(method, path, body, trusted=True)
        assert done.status < 300, done.content
        return done.content["data"]

    def login(self, user: str, password: str = PASSWORD, source: str = "10.0.0.1") -> Answer:
        return self.ask("POST", "/login", {"username": user, "password": password}, source=source)

    def token(self, user: str, password: str = PASSWORD) -> str:
        data: Any = self.login(user, password).content["data"]
        return str(data["access_token"])

    def add(self, name: str, role: str, **more: object) -> None:
        self.root("POST", "/users", {"username": name, "role": role, "password": PASSWORD, **more})


def sample(route: IdentityRoute) -> tuple[str, dict[str, object]]:
    """A path and a body that the route refuses for nothing but who asks."""
    path = route.path.replace("{name}", "victim" if route.path.startswith("/users") else "victims")
    bodies: dict[str, dict[str, object]] = {
        "POST /users": {"username": "new", "role": "s3", "password": PASSWORD},
        "PUT /users/{name}": {"posix_uid": 7},
        "PUT /users/{name}/password": {"password": OTHER},
        "PUT /login/password": {"password": PASSWORD},
        "PUT /lockoutConfig": {"failed_attempts": 6},
        "PUT /tls": {"certificate": GIVEN.pem, "private_key": key_pem(GIVEN.key)},
        "POST /s3/debug": {"level": "debug"},
        "POST /s3/auditWebhook/enable": {"endpoint": "https://h.example/", "auth_token": "T"},
        "POST /s3/notificationTargets": {"target_name": f"t{next(_numbers)}", "endpoint": "https://h.example/"},
        "PUT /s3/notificationTargets/{name}": {"batch": 2},
        "PUT /s3/retentionClock": {"time": "2023-11-14T22:13:20Z"},  # when a FixedClock stands
        "POST /s3/policies": {"policy_name": "new", "policy_file_content": POLICY},
        "POST /s3/policies/attach": {"policy_name": "readonly", "user_name": "victim"},
        "POST /s3/policies/detach": {"user_name": "victim"},
        "POST /s3/buckets": {"bucket_name": f"new-{next(_numbers)}"},
        "PUT /s3/buckets/{bucket}/quota": {"hard_quota": "1GB"},
        "PUT /s3/buckets/{bucket}/policy": {"bucket_policy": "download"},
        "POST /s3/explain": {"user": "victim", "action": "s3:GetObject", "resource": "victims/k"},
        "POST /s3/buckets/{bucket}/lifecycle/rules": {"expiry_days": 7},
        "PUT /s3/buckets/{bucket}/posixPermissions": {"posix_permissions": "default"},
        "PUT /s3/buckets/{bucket}/mountVersions": {"mount_versions": "off"},
        "PUT /s3/buckets/{bucket}/policyJson": {"policy_file_content": json.loads(
            POLICY.replace('"*"', '"arn:aws:s3:::victims/*", "Principal": "*"'))},
    }
    path = path.replace("{bucket}", "victims")
    return path.replace("{key}", "AKIA" + "A" * 16), bodies.get(f"{route.method} {route.path}", {})


def test_the_level_of_the_log_is_that_of_a_running_service(office: Office) -> None:
    assert office.root("GET", "/s3/debug") == {"level": "info"}
    done = office.ask("POST", "/s3/debug", {"level": "DEBUG"}, trusted=True)
    assert (done.status, done.retold, done.retold_with) == (200, "log-level", "debug")
    assert office.ask("POST", "/s3/debug", {"level": "loud"}, trusted=True).status == 400
    office.desk.service = None
    for method, body in (("GET", {}), ("POST", {"level": "debug"})):
        assert office.ask(method, "/s3/debug", body, trusted=True).status == 404


@pytest.mark.parametrize("role", list(Role))
def test_the_table_is_enforced_on_every_route(office: Office, role: Role) -> None:
    office.add("asker", role.value)
    office.desk.tls.kept.make_own(["localhost"])
    checked = 0
    for route in IDENTITY_ROUTES:
        if route.verb is None:
            continue
        if "victim" not in {user["username"] for user in office.root("GET", "/users")}:
            office.add("victim", "s3")
            office.root("POST", "/s3/policies/attach", {"policy_name": "readonly", "user_name": "victim"})
        if "victims" not in {policy["policy"] for policy in office.root("GET", "/s3/policies")}:
            office.root("POST", "/s3/policies", {"policy_name": "victims", "policy_file_content": POLICY})
        if "victims" not in {bucket["name"] for bucket in office.root("GET", "/s3/buckets")}:
            office.root("POST", "/s3/buckets", {"bucket_name": "victims", "policy": "public"})
        if "victims" not in {target["name"] for target in office.root("GET", "/s3/notificationTargets")}:
            office.root("POST", "/s3/notificationTargets", {
                "target_name": "victims", "endpoint": "https://h.example/"})
        path, body = sample(route)
        token = office.token("asker")
        done = office.ask(route.method, path, body, token=token)
        verb = route.verb
        if "{name}" in route.path and verb in (Verb.CHANGE_OWN_PASSWORD, Verb.REVOKE_OWN_TOKENS):
            verb = Verb.CHANGE_USERS  # done to another
        if role in MAY[verb]:
            unknown = "{key}" in route.path or "{rule}" in route.path
            assert done.status in (200, 201) or (unknown and done.status == 404), route
        else:
            assert (done.status, done.content["code"]) == (403, "NotAllowed"), (route, done.content)
        assert office.ask(route.method, path, body).status == 401  # nobody
        checked += 1
    assert checked >= 20


def unsigned_token(office: Office) -> str:
    """Of root, without an algorithm, and of the right shape."""
    office.add("shape", "clusteradmin")
    _, claims, _ = office.token("shape").split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{head}.{claims}."


def test_nobody_without_a_login_gets_in_by_any_route(office: Office) -> None:
    """Whatever is said in place of a token, of every route but those that ask for a password themselves."""
    registry = office.desk.identities.registry
    none = unsigned_token(office)
    real = office.token("shape")
    forged = (
        None, "", "null", none, f"{none}{real.rpartition('.')[2]}", real[:-4] + "AAAA", real.swapcase(),
        f"{real}x", f"{real}.{real}",
    )
    before = office.desk.identities.registry
    assert before is not registry
    for route in IDENTITY_ROUTES:
        if route.verb is None:
            continue
        path, body = sample(route)
        for token in forged:
            done = office.ask(route.method, path, body, token=token)
            assert done.status in (401, 403), (route.method, route.path, token, done.content)
    assert office.desk.identities.registry is before
    assert office.root("GET", "/s3/buckets") == []


def test_the_document_has_the_table() -> None:
    section = DOCUMENT.split("## Roles")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ") and "---" not in line
    ]
    roles = [Role(name.strip("`")) for name in rows[0][1:]]
    shown = {
        row[0]: {role for role, cell in zip(roles, row[1:], strict=True) if cell == "yes"} for row in rows[1:]
    }
    assert shown == {verb.value: set(may) for verb, may in MAY.items()}


def test_the_document_has_every_path() -> None:
    shown = set(re.findall(r"^\| `([A-Z]+) (/api/v2/\S+)`", DOCUMENT, re.MULTILINE))
    assert shown == {(route.method, f"/api/v2{route.path}") for route in IDENTITY_ROUTES}


def test_the_paths_of_the_documented_rest_api_are_there() -> None:
    for method, path in [
        ("GET", "/s3/policies"), ("POST", "/s3/policies"), ("GET", "/s3/policies/p"),
        ("DELETE", "/s3/policies/p"), ("POST", "/s3/policies/attach"), ("POST", "/s3/policies/detach"),
        ("GET", "/s3/userPolicies"), ("GET", "/s3/serviceAccounts"), ("POST", "/s3/serviceAccounts"),
        ("GET", "/s3/serviceAccounts/K"), ("DELETE", "/s3/serviceAccounts/K"), ("POST", "/s3/sts"),
        ("GET", "/s3/buckets"), ("POST", "/s3/buckets"), ("DELETE", "/s3/buckets/b"),
        ("GET", "/s3/buckets/b/policy"), ("PUT", "/s3/buckets/b/policy"),
        ("GET", "/s3/buckets/b/posixPermissions"), ("PUT", "/s3/buckets/b/posixPermissions"),
        ("GET", "/s3/buckets/b/mountVersions"), ("PUT", "/s3/buckets/b/mountVersions"),
        ("GET", "/s3/buckets/b/policyJson"), ("PUT", "/s3/buckets/b/policyJson"),
    ]:  # fmt: skip
        assert find(method, f"/api/v2{path}") is not None
    with pytest.raises(LookupError):
        find("PATCH", "/api/v2/users")
    assert find("GET", "/api/v2/nothing") is None
    assert find("GET", "/api/v2/users/a/b/c") is None


def test_a_login_gives_tokens_that_can_be_refreshed_and_revoked(office: Office) -> None:
    office.add("ann", "regular")
    pair: Any = office.login("ann").content["data"]
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 300)
    me = office.ask("GET", "/users/whoami", token=pair["access_token"])
    assert me.content["data"]["username"] == "ann"  # type: ignore[index]
    fresh: Any = office.ask("POST", "/login/refresh", {"refresh_token": pair["refresh_token"]}).content[
        "data"
    ]
    assert office.ask("GET", "/users/whoami", token=fresh["access_token"]).status == 200
    assert office.ask("GET", "/users/whoami", token=pair["refresh_token"]).status == 401
    office.root("DELETE", "/users/ann/tokens")
    for token in (pair["access_token"], fresh["access_token"]):
        assert office.ask("GET", "/users/whoami", token=token).status == 401
    assert office.ask("POST", "/login/refresh", {"refresh_token": pair["refresh_token"]}).status == 401


def test_a_token_on_the_socket_counts_more_than_the_socket(office: Office) -> None:
    office.add("ann", "readonly")
    token = office.token("ann")
    assert office.ask("POST", "/users", {}, token=token, trusted=True).status == 403
    assert office.ask("GET", "/users/whoami", token="nonsense", trusted=True).status == 401
    basic = Question("GET", "/api/v2/users", {}, "Basic YTpi", trusted=True)
    found = find("GET", "/api/v2/users")
    assert found is not None
    assert answer(office.desk, basic, *found).status == 401


def test_failed_logins_lock_out_by_user_and_source(office: Office) -> None:
    office.add("ann", "s3")
    office.root("PUT", "/lockoutConfig", {"failed_attempts": 3})
    assert office.root("GET", "/lockoutConfig") == {"failed_attempts": 3, "lockout_duration": 120}
    assert [office.login("ann", "Wrong-Horse-1").status for _ in range(4)] == [401, 401, 401, 429]
    assert office.login("ann").status == 429
    sts = office.ask("POST", "/s3/sts", {"access_key": "ann", "secret_key": PASSWORD})
    assert (sts.status, sts.content["code"]) == (429, "LockedOut")
    assert office.login("ann", source="10.0.0.2").status == 200
    office.clock.advance(121 * 10**9)
    assert office.login("ann").status == 200
    office.root("DELETE", "/lockoutConfig")
    assert office.root("GET", "/lockoutConfig") == {"failed_attempts": 5, "lockout_duration": 120}


def test_an_orgadmin_administrates_its_own_account_only(office: Office) -> None:
    office.add("boss", "orgadmin", account="acme", display_name="Acme", email="it@acme.example")
    office.add("theirs", "s3", account="acme")
    office.add("ours", "s3")
    office.root("POST", "/s3/policies", {"policy_name": "ours", "policy_file_content": POLICY})
    token = office.token("boss")

    def ask(method: str, path: str, body: dict[str, object] | None = None) -> int:
        return int(office.ask(method, path, body, token=token).status)

    listed: Any = office.ask("GET", "/users", token=token).content["data"]
    assert [user["username"] for user in listed] == ["boss", "theirs"]
    assert ask("PUT", "/users/theirs", {"posix_uid": 5}) == 200
    assert ask("PUT", "/users/ours", {"posix_uid": 5}) == 404
    assert ask("DELETE", "/users/ours") == 404
    assert ask("PUT", "/users/ours/password", {"password": OTHER}) == 404
    assert ask("DELETE", "/users/ours/tokens") == 404
    assert ask("DELETE", "/users/root/tokens") == 403
    assert ask("POST", "/users", {"username": "x", "role": "clusteradmin", "password": PASSWORD}) == 403
    assert ask("PUT", "/users/theirs", {"role": "clusteradmin"}) == 403
    assert (
        ask("POST", "/users", {"username": "x", "role": "s3", "password": PASSWORD, "account": "root"}) == 403
    )
    assert (
        ask("POST", "/users", {"username": "x", "role": "s3", "password": PASSWORD, "account": "new"}) == 403
    )
    assert ask("POST", "/s3/policies/attach", {"policy_name": "readonly", "user_name": "ours"}) == 403
    assert ask("POST", "/s3/policies/attach", {"policy_name": "ours", "user_name": "theirs"}) == 404
    assert ask("GET", "/s3/policies/ours") == 404
    assert ask("DELETE", "/s3/policies/ours") == 404
    assert ask("PUT", "/lockoutConfig", {"failed_attempts": 1}) == 403
    assert "new" not in office.desk.identities.registry.accounts


def test_nobody_lays_hands_on_somebody_mightier(office: Office) -> None:
    """Whoever could give a cluster administrator another password would be one."""
    office.add("chief", "clusteradmin")
    office.add("boss", "orgadmin")
    chief, token = office.token("chief"), office.token("boss")
    for method, path, body in [
        ("PUT", "/users/chief/password", {"password": OTHER}), ("PUT", "/users/chief", {"role": "s3"}),
        ("PUT", "/users/chief", {"posix_uid": 5}), ("DELETE", "/users/chief", None),
        ("DELETE", "/users/chief/tokens", None), ("DELETE", "/users/root/tokens", None),
        ("PUT", "/users/boss", {"role": "clusteradmin"}),
        ("POST", "/users", {"username": "x", "role": "clusteradmin", "password": PASSWORD}),
    ]:  # fmt: skip
        assert office.ask(method, path, body, token=token).status == 403, (method, path)
    assert office.ask("GET", "/users/whoami", token=chief).status == 200
    assert office.login("chief").status == 200
    assert office.ask("PUT", "/users/boss", {"role": "readonly"}, token=chief).status == 200


@pytest.mark.parametrize("role", ["orgadmin", "regular", "readonly"])
def test_nobody_but_a_clusteradmin_sees_other_accounts(office: Office, role: str) -> None:
    office.add("looker", role, account="acme")
    office.add("ours", "s3")
    office.add("theirs", "s3", account="acme")
    office.root("POST", "/s3/policies", {"policy_name": "hidden", "policy_file_content": POLICY})
    token = office.token("looker")

    def names(path: str, field: str) -> list[str]:
        data: Any = office.ask("GET", path, token=token).content["data"]
        return [row[field] for row in data]

    assert names("/users", "username") == ["looker", "theirs"]
    policies = names("/s3/policies", "policy")
    assert policies == ["readonly", "writeonly", "readwrite", *AWS_POLICIES]
    assert set(names("/s3/policies", "kind")) == {"predefined", "aws"}
    assert names("/s3/userPolicies", "user_name") == ["theirs"]
    assert office.ask("GET", "/s3/policies/hidden", token=token).status == 404


def test_a_user_that_cannot_be_added_leaves_no_account(office: Office) -> None:
    body = {"username": "x", "role": "s3", "password": "short", "account": "fresh"}
    assert office.ask("POST", "/users", body, trusted=True).status == 400
    assert "fresh" not in office.desk.identities.registry.accounts


def test_only_their_user_has_service_accounts(office: Office) -> None:
    office.add("ann", "s3")
    office.add("bob", "s3")
    made = office.ask(
        "POST", "/s3/serviceAccounts", {"policy_file_content": POLICY}, token=office.token("ann")
    )
    data: Any = made.content["data"]
    path = f"/s3/serviceAccounts/{data['access_key']}"
    assert made.status == 201
    shown = office.ask("GET", path, token=office.token("ann"))
    assert shown.content["data"] == {
        "access_key": data["access_key"], "parent_user": "ann", "implied_policy": False,
        "policy_content": json.loads(POLICY),
    }  # fmt: skip
    assert office.ask("GET", path, token=office.token("bob")).status == 404
    assert office.ask("DELETE", path, token=office.token("bob")).status == 404
    assert office.ask("GET", path, trusted=True).status == 403
    assert office.ask("DELETE", path, token=office.token("ann")).status == 200
    assert office.desk.identities.secret(data["access_key"]) is None


def test_temporary_credentials_of_the_api(office: Office) -> None:
    office.add("ann", "s3")
    asked: dict[str, object] = {"access_key": "ann", "secret_key": PASSWORD, "duration": 900}
    data: Any = office.ask("POST", "/s3/sts", asked).content["data"]
    kept = office.desk.identities.secret(data["access_key"])
    assert kept is not None
    assert (kept.secret, kept.session_token) == (data["secret_key"], data["session_token"])
    assert office.ask("POST", "/s3/sts", asked | {"duration": 899}).status == 400
    assert office.ask("POST", "/s3/sts", asked | {"secret_key": OTHER}).status == 401
    root = office.ask("POST", "/s3/sts", {"access_key": "testroot", "secret_key": "testsecret"})
    assert root.status == 200


@pytest.mark.parametrize(("resource", "source", "status"), [
    ("*", "10.0.0.1", 403), ("arn:aws:iam::*:user/ann", "10.0.0.1", 403),
    ("arn:aws:iam::*:user/bob", "10.0.0.1", 200), ("*", "192.0.2.1", 200),
])  # fmt: skip
def test_regression_a_denial_of_sts_holds_for_the_api_too(
    office: Office, resource: str, source: str, status: int
) -> None:
    office.add("ann", "s3")
    document = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Action": "sts:AssumeRole", "Resource": resource,
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }})  # fmt: skip
    office.root("POST", "/s3/policies", {"policy_name": "none", "policy_file_content": document})
    office.root("POST", "/s3/policies/attach", {"policy_name": "none", "user_name": "ann"})
    asked: dict[str, object] = {"access_key": "ann", "secret_key": PASSWORD}
    assert office.ask("POST", "/s3/sts", asked, source=source).status == status


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/users", {"username": "x", "role": "s3", "password": PASSWORD, "more": 1}, 400, "more"),
        ("POST", "/users", {"username": "x", "role": "king", "password": PASSWORD}, 400, "no such role"),
        ("POST", "/users", {"role": "s3", "password": PASSWORD}, 400, "username is missing"),
        ("POST", "/users", {"username": ["x"], "role": "s3", "password": PASSWORD}, 400, "must be text"),
        ("POST", "/users", {"username": "root", "role": "s3", "password": PASSWORD}, 400, "built in"),
        ("PUT", "/users/nobody", {"role": "s3"}, 404, "nobody"),
        ("PUT", "/users/root", {"role": "s3"}, 403, "built in"),
        ("PUT", "/lockoutConfig", {"failed_attempts": True}, 400, "whole number"),
        ("PUT", "/lockoutConfig", {}, 400, "nothing to change"),
        ("POST", "/s3/policies", {"policy_name": "p", "policy_file_content": "{"}, 400, "not JSON"),
        ("POST", "/s3/policies", {"policy_name": "p", "policy_file_content": {"Ids": ""}}, 400, "Ids"),
        ("POST", "/s3/policies", {"policy_name": "readonly", "policy_file_content": POLICY}, 409, "already"),
        ("DELETE", "/s3/policies/readonly", None, 403, "predefined"),
        ("POST", "/s3/policies/attach", {"policy_name": "none", "user_name": "ann"}, 404, "none"),
        ("POST", "/s3/policies/attach", {"policy_name": "readonly", "user_name": "adm"}, 400, "role s3"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(
    office: Office, method: str, path: str, body: dict[str, object] | None, status: int, text: str
) -> None:
    office.add("ann", "s3")
    office.add("adm", "regular")
    done = office.ask(method, path, body, trusted=True)
    assert (done.status, text in str(done.content["error"])) == (status, True), done.content


def test_an_attached_policy_is_not_removed(office: Office) -> None:
    office.add("ann", "s3")
    office.root("POST", "/s3/policies", {"policy_name": "mine", "policy_file_content": POLICY})
    first = office.root("POST", "/s3/policies/attach", {"policy_name": "mine", "user_name": "ann"})
    assert first["former_policy"] is None
    assert office.ask("DELETE", "/s3/policies/mine", trusted=True).status == 409
    office.root("POST", "/s3/policies/detach", {"policy_name": "mine", "user_name": "ann"})
    office.root("DELETE", "/s3/policies/mine")
    assert "mine" not in {policy["policy"] for policy in office.root("GET", "/s3/policies")}


def test_secrets_are_in_no_log_and_in_no_list(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    office.add("ann", "s3")
    token = office.token("ann")
    made: Any = office.ask("POST", "/s3/serviceAccounts", token=token).content["data"]
    office.login("ann", "Wrong-Horse-1")
    office.ask("POST", "/users", {"username": "a b", "role": "s3", "password": PASSWORD}, trusted=True)
    question = Question("POST", "/x", {"password": PASSWORD}, f"Bearer {token}")
    shown = [caplog.text, repr(question), repr(office.ask("GET", "/users", trusted=True).content)]
    shown.append(repr(office.ask("GET", f"/s3/serviceAccounts/{made['access_key']}", token=token).content))
    for secret in (PASSWORD, "Wrong-Horse-1", token, made["secret_key"]):
        assert not [text for text in shown if secret in text]


def test_who_changed_what_is_in_the_log(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "weka_mp.control")
    office.add("ann", "clusteradmin")
    office.ask("DELETE", "/lockoutConfig", token=office.token("ann"), source="10.0.0.9")
    office.ask("GET", "/users", trusted=True)
    office.login("ann", "Wrong-Horse-1", source="10.0.0.7")
    assert [record.getMessage() for record in caplog.records] == [
        "root, from 10.0.0.1: POST /api/v2/users",
        "ann, from 10.0.0.9: DELETE /api/v2/lockoutConfig",
        "a login from 10.0.0.7 failed: Wrong user name or password. (/api/v2/login)",
    ]


def test_a_policy_given_as_an_object_is_no_longer_for_its_characters(office: Office) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/" + "ü" * 1000}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    office.root("POST", "/s3/policies", {"policy_name": "p", "policy_file_content": document})
    assert office.root("GET", "/s3/policies/p")["policy_content"] == document


def test_a_service_without_its_keys_says_so(tmp_path: Path) -> None:
    with Namespace.open(MemoryStore()) as namespace:
        first = LazyDesk(namespace, "/nowhere", str(tmp_path), None)
        first.get().administration.add_user("ann", Role.S3, PASSWORD)
        first.close()
        (tmp_path / "identity-keys").unlink()
        second = LazyDesk(namespace, "/nowhere", str(tmp_path), None)
        with pytest.raises(Exception, match="restore it"):
            second.get()
        with pytest.raises(Exception, match="store"):
            LazyDesk(namespace, str(tmp_path), str(tmp_path / "inside"), None).get()


def test_a_clock_is_accepted_by_who_knows_what_time_it_is(office: Office) -> None:
    """A store whose clock was asked ten years ago, and that nobody saw run since."""
    at_ns = FixedClock().now_ns() - 3650 * 86_400 * 10**9
    known = {"at_ns": at_ns, "boot": "", "passed_ns": 0, "credit_ns": 0}
    office.desk.namespace.write_setting(b"retention-clock", json.dumps(known).encode())
    for time in ("yesterday", "2023-11-14T22:13:20", "2023-11-14T21:13:20Z"):
        assert office.ask("PUT", "/s3/retentionClock", {"time": time}, trusted=True).status == 400
    assert office.root("GET", "/s3/retentionClock")["behind_seconds"] == 3650 * 86_400
    accepted = {"time": "2023-11-14T23:13:00+01:00"}
    assert office.root("PUT", "/s3/retentionClock", accepted)["behind_seconds"] == 0
    assert office.root("GET", "/s3/retentionClock")["retention_time"] == "2023-11-14T22:13:20Z"
