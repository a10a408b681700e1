"""The explanation of a decision is the decision: for every case kept as data, and for modes by the kernel."""

from __future__ import annotations

import json
import logging
import os
import random
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote_to_bytes

import pytest

from tests.unit.namespace.test_judged import ANN, BUCKET, grow, put
from tests.unit.policy import case_files
from weka_mp.errors import AccessDenied, PermissionRefused
from weka_mp.gateway import access as access_module
from weka_mp.gateway.access import Access
from weka_mp.gateway.bucket_grants import Grants
from weka_mp.gateway.context import Site
from weka_mp.gateway.explaining import Asked, actions_named, explain
from weka_mp.gateway.posix_users import PosixUsers
from weka_mp.gateway.principals import Principal
from weka_mp.gateway.refusals import Refusal, shown_statement
from weka_mp.namespace import Durability, Namespace
from weka_mp.namespace.obstacles import Need
from weka_mp.observe.records import formatter
from weka_mp.policy import condition_keys
from weka_mp.policy import principals as language
from weka_mp.policy.decision import Decision, Source, Why, decide
from weka_mp.policy.documents import Kind, Policy
from weka_mp.policy.statements import Question
from weka_mp.s3.xml_write import Owner
from weka_mp.server.access_log import RequestRecord, _fields
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName, ObjectKey

CASES = case_files.load()
BOTH = {name: Owner(case_files.CANONICAL[account], name)
        for name, account in (("root", case_files.HOME), ("away", case_files.AWAY))}


class _Put:
    """A case as it stands: what the endpoint would know of its bucket and of its request."""

    def __init__(self, case: dict[str, Any]) -> None:
        who = case["who"]
        self.asks = who and language.Principal(who["account"], who["canonical"], who["user"], who["root"])
        self.identity = tuple(case_files.policies(case["identity"], Kind.IDENTITY))
        self.bounds = tuple(case_files.policies(case["bounds"], Kind.SESSION))
        found = case_files.policies([case["resource"]], Kind.RESOURCE) if case["resource"] else [None]
        self.resource: Policy | None = found[0]
        self.action, self.arn, self.owner = case["action"], case["arn"], case["owner"]
        self.context = {
            condition_keys.lookup_name(key): tuple(values) for key, values in case["context"].items()
        }

    def decision(self) -> Decision:
        return decide(
            Question(self.asks, self.action, self.arn, self.context), identity=self.identity,
            resource=self.resource, bounds=self.bounds, owner_account=self.owner,
        )

    def explained(self, namespace: Namespace) -> list[Any]:
        """By the code of the endpoint; only the look at the bucket and the request are the case's."""
        asks = self.asks
        principal = Principal(
            None if asks is None else asks.canonical_id, None if asks is None else "KEY",
            asks is not None and asks.is_root, asks=asks, policies=self.identity, bounds=self.bounds,
            accounts=BOTH,
        )
        owner = Owner(self.owner, "owner")
        asked = Asked(
            self.action[3:], (self.action,), BUCKET, ObjectKey(b"k"), given=self.context
        )
        question = Question(asks, self.action, self.arn, self.context)
        with (
            mock.patch.object(Access, "grants", lambda *_: Grants(self.resource)),
            mock.patch.object(Access, "owner_of", lambda *_: owner),
            mock.patch("weka_mp.gateway.explaining._Imagined._question", lambda *_: question),
        ):
            return explain(Site(namespace, "us-east-1", BOTH["root"].id), principal, asked, 0.0)

    def without(self, decision: Decision) -> _Put:
        """The same without the statement that decided."""
        named = decision.statement
        assert named is not None

        def less(policy: Policy) -> Policy:
            kept = tuple(s for s in policy.statements if s.index != named.position)
            return replace(policy, statements=kept, _by_action={}) if policy.name == named.policy else policy

        other = _Put.__new__(_Put)
        other.__dict__ = dict(self.__dict__)
        if named.source is Source.IDENTITY:
            other.identity = tuple(map(less, self.identity))
        elif named.source is Source.BOUND:
            other.bounds = tuple(map(less, self.bounds))
        else:
            assert self.resource is not None
            other.resource = less(self.resource)
        return other


@pytest.fixture
def namespace(tmp_path: Path) -> Any:
    root = tmp_path / "store"
    root.mkdir(mode=0o755)
    with Namespace.open(PosixStore(str(root)), durability=Durability.RELAXED) as opened:
        opened.create_bucket(BUCKET)
        (root / BUCKET).chmod(0o777)
        yield opened


def test_the_explanation_is_the_decision_and_names_what_decides(namespace: Namespace) -> None:
    decided = 0
    for name, case in CASES.items():
        put_ = _Put(case)
        decision = put_.decision()
        assert decision.allowed is case["allowed"], name
        steps = put_.explained(namespace)
        last = steps[-1]
        assert (last.step, last.answer) == ("answer", "allowed" if decision.allowed else "refused"), name
        assert last.why == decision.why.value, name
        if decision.statement is None:
            continue
        decided += 1
        named = shown_statement(decision.statement, None)
        assert named and last.decided_by.startswith(named), name
        applying = [step.decided_by for step in steps if (step.step, step.answer) == ("statement", "applies")]
        assert named in applying, name
        after = put_.without(decision).decision()
        assert (after.allowed, after.why, after.statement) != (
            decision.allowed, decision.why, decision.statement), name
    assert decided >= 200


def test_the_hot_path_decides_by_the_same_function(namespace: Namespace) -> None:
    """`allows`, `require` and the explanation all end in `decide`: who changes it changes all of them."""
    site = Site(namespace, "us-east-1", BOTH["root"].id)
    asks = language.Principal(case_files.HOME, BOTH["root"].id, "x")
    bound = Principal(BOTH["root"].id, "KEY", False, asks=asks)
    asked = Asked("GetObject", ("s3:GetObject",), BUCKET, ObjectKey(b"k"))
    allowing = Decision(True, Why.ROOT)
    with mock.patch.object(access_module, "decide", lambda *_, **__: allowing):
        assert Access(site, bound, "GetObject", None).allows("s3:GetObject", BUCKET, ObjectKey(b"k"))
        assert explain(site, bound, asked, 0.0)[-1].answer == "allowed"
    assert not Access(site, bound, "GetObject", None).allows("s3:GetObject", BUCKET, ObjectKey(b"k"))
    assert explain(site, bound, asked, 0.0)[-1].answer == "refused"


def test_what_a_condition_looked_at_is_told(namespace: Namespace) -> None:
    statement = {
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }
    policy = case_files.policies([{"Version": "2012-10-17", "Statement": [statement]}], Kind.IDENTITY)
    asks = language.Principal(case_files.HOME, BOTH["root"].id, "x")
    who = Principal(BOTH["root"].id, "x", False, asks=asks, policies=tuple(policy))
    site = Site(namespace, "us-east-1", BOTH["root"].id)
    put(namespace, b"k")
    asked = Asked("GetObject", ("s3:GetObject",), BUCKET, ObjectKey(b"k"), source_ip="192.0.2.1")
    steps = explain(site, who, asked, 0.0)
    assert steps[0].answer == "passed over" and "aws:SourceIp is 192.0.2.1" in steps[0].why
    assert steps[-1].answer == "refused"
    for changed in ({"source_ip": "10.1.1.1"}, {"given": {"aws:sourceip": ("10.1.1.1",)}}):
        assert explain(site, who, replace(asked, **changed), 0.0)[-1].answer == "allowed"  # type: ignore[arg-type]


@pytest.mark.parametrize(("word", "actions"), [
    ("s3:GetObject", ("s3:GetObject",)), ("getobject", ("s3:GetObject",)),
    ("HeadObject", ("s3:GetObject",)), ("ListObjectsV2", ("s3:ListBucket",)),
    ("GetObjectAttributes", ("s3:GetObjectAttributes", "s3:GetObject")),  # as the endpoint asks
    ("s3:GetObjectAttributes", ("s3:GetObjectAttributes",)), ("listbucket", ("s3:ListBucket",)),
    ("S3:", None), ("Fly", None),
    ("CreateSession", None),
])  # fmt: skip
def test_what_is_asked_for(word: str, actions: tuple[str, ...] | None) -> None:
    if actions is None:
        with pytest.raises(ValueError, match="no action"):
            actions_named(word)
    else:
        assert actions_named(word)[1] == actions


# ---- modes
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
@pytest.mark.parametrize("seed", range(200, 206))
def test_modes_are_explained_as_the_kernel_decides(namespace: Namespace, tmp_path: Path, seed: int) -> None:
    files = grow(str(tmp_path / "store" / BUCKET), random.Random(seed))
    seen = namespace.judged_as(ANN, by_default=True)
    tried = {
        Need.READ: lambda key: seen.head_object(BUCKET, key),
        Need.PUT: lambda key: put(seen, key),
        Need.REMOVE: lambda key: seen.delete_object(BUCKET, key),
    }
    refused = 0
    for key in files:
        for need, call in tried.items():
            obstacle = seen.obstacle(BUCKET, key, need)
            try:
                call(key)
            except (AccessDenied, PermissionRefused):
                refused += 1
                assert obstacle is not None, (key, need)
            else:
                assert obstacle is None, (key, need, str(obstacle))
    assert refused


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
@pytest.mark.parametrize("mode", [0o700, 0o722, 0o755, 0o777])
@pytest.mark.parametrize("need", [Need.READ, Need.PUT, Need.REMOVE])
def test_regression_directory_objects_are_explained_as_they_are_decided(
    namespace: Namespace, tmp_path: Path, mode: int, need: Need
) -> None:
    put(namespace, b"d/", b"body")
    (tmp_path / "store" / BUCKET).chmod(0o777 if mode != 0o777 else 0o1777)
    (tmp_path / "store" / BUCKET / "d").chmod(mode)
    seen = namespace.judged_as(ANN, by_default=True)
    obstacle = seen.obstacle(BUCKET, b"d/", need)
    calls = {Need.READ: seen.head_object, Need.PUT: lambda _, key: put(seen, key, b"new"),
             Need.REMOVE: seen.delete_object}
    try:
        calls[need](BUCKET, b"d/")  # type: ignore[operator]
    except (AccessDenied, PermissionRefused):
        assert obstacle is not None
    else:
        assert obstacle is None, str(obstacle)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
def test_the_mode_that_decides_is_named(namespace: Namespace, tmp_path: Path) -> None:
    put(namespace, b"d/k")
    (tmp_path / "store" / BUCKET / "d").chmod(0o700)
    asks = language.Principal(case_files.HOME, BOTH["root"].id, "x")
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    policies = tuple(case_files.policies([document], Kind.IDENTITY))
    who = Principal(BOTH["root"].id, "x", False, uid=1001, gid=2001, asks=asks, policies=policies)
    site = Site(namespace, "us-east-1", BOTH["root"].id, None, PosixUsers(namespace, by_default=True))
    last = explain(site, who, Asked("GetObject", ("s3:GetObject",), BUCKET, ObjectKey(b"d/k")), 0.0)[-1]
    assert (last.answer, last.decided_by) == ("refused", "search (x) on /bucket/d: drwx------ 0:0")
    assert "uid 1001" in last.why
    listing = Asked("ListObjectsV2", ("s3:ListBucket",), BUCKET, None)
    assert explain(site, who, listing, 0.0)[-1].answer == "allowed"
    below = replace(listing, given={"s3:prefix": ("d/",)})
    steps = explain(site, who, below, 0.0)  # nothing is listed, which is no refusal
    assert steps[-1].answer == "allowed"
    assert [step.decided_by for step in steps if step.step == "modes"] == [last.decided_by]


# ---- the log
@pytest.mark.parametrize("key", [
    b"plain/key.txt", b"with space", b"'; rm -rf / #", b"$(id)`id`", b"line\nfeed\r\x1b[2J", b"\xff\xfe",
    "\u00fc".encode(), b"a%2Fb", b"--encoded",
])  # fmt: skip
def test_the_log_has_a_command_that_can_be_pasted(key: bytes) -> None:
    refusal = Refusal(
        "arn:x", "s3:GetObject", "arn:aws:s3:::b/k", "why", None, "ann", BucketName("bucket"), ObjectKey(key)
    )
    fields = _fields(RequestRecord("ID", "192.0.2.7", refusals=[refusal]))
    line = fields["explain"]
    assert isinstance(line, str) and line.isascii() and line.isprintable()
    words = shlex.split(line)
    assert words[:5] == ["weka-mp", "s3", "explain", "ann", "s3:GetObject"]
    assert words[5].startswith("bucket/") and words[6:8] == ["--source-ip", "192.0.2.7"]
    rest = words[5].removeprefix("bucket/")
    assert (unquote_to_bytes(rest) if words[8:] == ["--encoded"] else rest.encode()) == key
    assert json.dumps(fields)


@pytest.mark.parametrize("bucket", [
    "a'$(touch pwned)'b", "a'`touch pwned`'b", "a\nb;touch pwned", "$(touch pwned)",
])  # fmt: skip
@pytest.mark.parametrize("form", ["json", "text"])
def test_regression_a_log_line_has_no_command_that_a_client_wrote(
    bucket: str, form: str, tmp_path: Path
) -> None:
    """Within the line quotes are escaped once more, so quoting for a shell protects nothing: whoever sends
    a request, without any key, would have had words run by who pastes what the log says.
    """
    refusal = Refusal(
        "anonymous", "s3:GetObject", "arn:x", "why", None, None, BucketName(bucket), ObjectKey(b"~")
    )
    entry = logging.LogRecord("weka_mp.access", logging.INFO, "", 0, "GET", None, None)
    entry.fields = _fields(RequestRecord("ID", "192.0.2.7", refusals=[refusal]))
    assert "explain" not in entry.fields
    named = replace(refusal, bucket=BucketName("bucket"))
    entry.fields = _fields(RequestRecord("ID", "192.0.2.7", refusals=[named]))
    command = entry.fields["explain"]
    assert command in formatter(form, "s3").format(entry)  # as it is: nothing of it is escaped
    pasted = command.replace("weka-mp s3 explain", "printf '%s\\n'")
    done = subprocess.run(["sh", "-c", pasted], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == shlex.split(command)[3:]
    assert not list(tmp_path.iterdir())


# ---- operations that need the same action, and what modes say of them
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
@pytest.mark.parametrize(("word", "key", "answer"), [
    ("HeadBucket", None, "allowed"), ("ListObjectsV2", None, "refused"),
    ("ListObjectVersions", None, "refused"), ("GetObjectAcl", b"k", "refused"),
    ("PutObjectAcl", b"k", "refused"), ("UploadPart", b"k", "allowed"),
    ("UploadPartCopy", b"k", "allowed"), ("CompleteMultipartUpload", b"k", "refused"),
])  # fmt: skip
def test_regression_operations_are_bound_as_the_endpoint_binds_them(
    namespace: Namespace, tmp_path: Path, word: str, key: bytes | None, answer: str
) -> None:
    put(namespace, b"k")
    (tmp_path / "store" / BUCKET / "k").chmod(0o600)
    (tmp_path / "store" / BUCKET).chmod(0o711)
    asks = language.Principal(case_files.HOME, BOTH["root"].id, "x")
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    policies = tuple(case_files.policies([document], Kind.IDENTITY))
    who = Principal(BOTH["root"].id, "x", False, uid=1001, gid=2001, asks=asks, policies=policies)
    site = Site(namespace, "us-east-1", BOTH["root"].id, None, PosixUsers(namespace, by_default=True))
    asked = Asked(*actions_named(word), BUCKET, None if key is None else ObjectKey(key))
    assert explain(site, who, asked, 0.0)[-1].answer == answer
