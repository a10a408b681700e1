"""Why somebody may, or may not, do something: the decision of `access` itself, and what it looked at.

Nothing is decided here. Policies are asked as a request asks them (`Access.decided`), with a request that was
never sent; modes by the kernel (`namespace.obstacles`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from weka_mp.errors import BucketMissing, DeleteMarkerMet, NotFound, VersionMissing
from weka_mp.gateway.access import Access
from weka_mp.gateway.authorize import MISSING, TELL_MISSING
from weka_mp.gateway.bucket_grants import Grants
from weka_mp.gateway.context import Site
from weka_mp.gateway.identities import Identities
from weka_mp.gateway.posix_users import NOBODY
from weka_mp.gateway.principals import Principal
from weka_mp.gateway.question_context import Sender
from weka_mp.gateway.refusals import NOT_BELOW, shown_statement
from weka_mp.gateway.requirements import BYPASSING, REQUIRED, SOURCE_ACTIONS
from weka_mp.identity import IdentityStore, RootKeys
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.naming import ROOT, canonical_id
from weka_mp.namespace import Namespace
from weka_mp.namespace.obstacles import Need
from weka_mp.object_lock import protection
from weka_mp.policy import condition_keys
from weka_mp.policy.actions import ACTIONS, Level
from weka_mp.policy.decision import Decision, Reference, Source
from weka_mp.policy.documents import Policy
from weka_mp.policy.statements import Element, Question, Statement
from weka_mp.policy.variables import Context
from weka_mp.s3.credentials import AccessKeyId, Authentication, AuthKind
from weka_mp.s3.errors import S3Error
from weka_mp.s3.object_lock import BYPASS, shown_until
from weka_mp.s3.request import Headers, S3Request
from weka_mp.values import BucketName, ObjectKey

__all__ = ["Asked", "Step", "actions_named", "explain", "find_principal"]

_NEEDS: Final[Mapping[str, Need]] = {
    **dict.fromkeys((
        "s3:GetObject", "s3:GetObjectAttributes", "s3:GetObjectTagging", "s3:GetObjectVersion",
        "s3:GetObjectVersionAttributes", "s3:GetObjectVersionTagging", "s3:GetObjectAcl",
        "s3:GetObjectVersionAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl",
    ), Need.READ),
    **dict.fromkeys(("s3:ListBucket", "s3:ListBucketVersions"), Need.LIST),
    "s3:PutObject": Need.PUT,
    **dict.fromkeys(("s3:DeleteObject", "s3:DeleteObjectVersion"), Need.REMOVE),
    **dict.fromkeys((
        "s3:PutObjectTagging", "s3:PutObjectVersionTagging", "s3:DeleteObjectTagging",
        "s3:DeleteObjectVersionTagging",
    ), Need.AMEND),
}  # fmt: skip
"""Action → what it does to the key where modes bind who asks; those that are not here are not bound."""

_UNBOUND: Final = frozenset({"HeadBucket", "UploadPart", "UploadPartCopy"})
"""Operations that modes do not bind, though they do others that need the same action."""

_NO_SOURCE: Final = "what the bytes are taken from is not asked for: say which, with --source BUCKET/KEY"
_ANONYMOUS: Final = "anonymous"
_PREFIX: Final = "s3:"
_FOR_GOOD: Final = "s3:DeleteObjectVersion"
_UNHEARD: Final = "beside a public policy nothing is allowed to whoever is not of the bucket's account"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request would be. given: condition keys, as contexts have them, over what is known otherwise.
    source: what a copy or a rename takes its bytes from.
    """

    operation: str
    actions: tuple[str, ...]
    bucket: BucketName | None
    key: ObjectKey | None
    source_ip: str = "127.0.0.1"
    secure: bool = False
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: tuple[BucketName, ObjectKey] | None = None

    @property
    def moves_all(self) -> bool:
        """Whether everything below the keys is renamed."""
        return (
            self.operation == "RenameObject" and self.source is not None and self.source[1].endswith(b"/")
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at. answer: ``allowed``, ``refused``, and of single statements ``applies``,
    ``passed over``. decided_by: the statement, mode or rule; empty where nothing did. why: for people.
    """

    action: str
    step: str
    answer: str
    decided_by: str
    why: str


def actions_named(word: str) -> tuple[str, tuple[str, ...]]:
    """The operation and the actions that are meant: ``s3:GetObject``, or an operation of the API,
    ``HeadObject``, with all that it needs. Where no operation has the name, ``s3:`` may be left out. Raises
    ValueError.
    """
    stem = word.removeprefix(_PREFIX)
    operation = {name.lower(): name for name in REQUIRED}.get(stem.lower())
    asked = operation is not None and bool(REQUIRED[operation])
    by_name = {name.lower(): name for name in ACTIONS}
    action = by_name.get(_PREFIX + stem.lower())
    if action is not None and not (asked and stem == word):
        return action.removeprefix(_PREFIX), (action,)
    if operation is None or not asked:
        raise ValueError(f"{word!r} is no action and no operation of S3 that policies decide over")
    return operation, REQUIRED[operation]


def explain(site: Site, principal: Principal, asked: Asked, now: float) -> list[Step]:
    """Every action's steps: its statements, what the policies say, what modes say; last the answer of all.

    Raises IdentityUnusable (the bucket's policy cannot be read), NamespaceError.
    """
    try:
        return _steps(site, principal, asked, now)
    except S3Error as error:
        raise IdentityUnusable(error.message or error.code) from error


def find_principal(store: IdentityStore[Policy], name: str) -> Principal | None:
    """Whom a request with this access key is judged as; name: also ``root`` and ``anonymous``. None: nobody.
    Raises IdentityUnusable.
    """
    identities = Identities(RootKeys("", ""), canonical_id(store.store_id, ROOT), store, NOBODY)
    try:
        if name == _ANONYMOUS:
            return identities.anonymous()
        if name == ROOT and store.root is not None:
            name = store.root.access_key
        known = identities.find(name)
    except S3Error as error:
        raise IdentityUnusable(error.message or error.code) from error
    return None if known is None else known.principal


def _steps(site: Site, principal: Principal, asked: Asked, now: float) -> list[Step]:
    access = _Imagined(site, principal, asked, now)
    steps: list[Step] = []
    for action in asked.actions:
        steps += _of_policies(access, asked, action, below=asked.moves_all)
        steps += _of_modes(site, principal, asked, action)
    steps += _of_source(access, asked)
    steps += _of_quota(site, asked)
    steps += _of_lock(access, asked)
    kept_from = {step.step for step in steps if step.answer == "refused"}
    if "modes" not in kept_from:  # they tell nothing of what lies behind
        steps += _of_key(access, asked, allowed=not kept_from)
    refused = next((step for step in steps if step.answer == "refused"), None)
    last = refused or next(step for step in steps if step.step == "policies")
    steps.append(Step(asked.operation, "answer", last.answer, last.decided_by, last.why))
    return steps


def _of_source(access: _Imagined, asked: Asked) -> Iterator[Step]:
    needed = SOURCE_ACTIONS.get(asked.operation, ())
    if not needed:
        return
    if asked.source is None:
        yield Step(asked.operation, "source", "passed over", "", _NO_SOURCE)
        return
    assert access.site is not None
    bucket, key = asked.source
    there = replace(asked, operation="", bucket=bucket, key=key, source=None)
    for action in needed:
        yield from _of_policies(access, there, action, below=asked.moves_all)
        yield from _of_modes(access.site, access.principal, there, action)


def _of_quota(site: Site, asked: Asked) -> Iterator[Step]:
    """How much room the bucket has; whether that is enough depends on what is sent."""
    if asked.bucket is None or "s3:PutObject" not in asked.actions:
        return
    try:
        quota = site.namespace.quotas.find(asked.bucket)
    except BucketMissing:
        return
    if quota is not None:
        answer = "applies" if quota.used >= quota.limit else "passed over"
        why = f"{quota.used} of {quota.limit} bytes are used: what does not fit is QuotaExceeded"
        yield Step("s3:PutObject", "quota", answer, f"hard quota of {asked.bucket}", why)


def _of_lock(access: _Imagined, asked: Asked) -> Iterator[Step]:
    """What protects a version that is to go for good, or to another key: the one that is named, or the
    current one.
    """
    renames = asked.operation == "RenameObject"
    bucket, key = (asked.source or (None, None)) if renames else (asked.bucket, asked.key)
    if bucket is None or key is None or not (renames or _FOR_GOOD in asked.actions) or access.site is None:
        return
    named = asked.given.get(condition_keys.lookup_name("s3:versionid"), ())
    locking = access.site.namespace.locking
    try:
        if locking.of(bucket) is None:
            return
        info = access.site.namespace.head_object(bucket, key, named[0] if named else None)
    except (NotFound, BucketMissing, VersionMissing, DeleteMarkerMet):
        return
    found = protection(info, locking.now_ns(bucket))
    if found is None:
        yield Step(asked.operation, "object lock", "passed over", "", "nothing protects the version now")
        return
    kept, why = found.kind, "Object Lock protects the version"
    if found.until_ns is not None and info.retention is not None:
        kept += f" until {shown_until(info.retention)}"
    if found.bypassable:
        why += f", but not from who has {BYPASSING} and asks with {BYPASS}"
    yield Step(asked.operation, "object lock", "refused", kept, why)


def _of_key(access: _Imagined, asked: Asked, *, allowed: bool) -> Iterator[Step]:
    """What is told of a key that is missing: 404 only to those who may list it."""
    needs = {_NEEDS.get(action) for action in asked.actions}
    if asked.bucket is None or asked.key is None or access.site is None:
        return
    if not needs & {Need.READ, Need.AMEND}:
        return
    try:
        access.site.namespace.head_object(asked.bucket, asked.key)
        return
    except (NotFound, BucketMissing):
        lists = access.allows("s3:ListBucket", asked.bucket, sought=asked.key)
    if lists:
        told = "NoSuchKey (404)" if allowed or asked.operation in TELL_MISSING else "AccessDenied (403)"
        yield Step("s3:ListBucket", "key", "passed over", "", f"there is no such key: {told}")
    else:
        yield Step("s3:ListBucket", "key", "refused", "", MISSING)


class _Given(Mapping[str, tuple[str, ...]]):
    """A request's context, and over it what was given."""

    def __init__(self, given: Mapping[str, tuple[str, ...]], context: Context) -> None:
        self._given = given
        self._context = context

    def __getitem__(self, name: str) -> tuple[str, ...]:
        found = self._given.get(name)
        return self._context[name] if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter({**dict.fromkeys(self._context), **dict.fromkeys(self._given)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Imagined(Access):
    """The access of a request that nobody sent."""

    __slots__ = ("_given",)

    def __init__(self, site: Site, principal: Principal, asked: Asked, now: float) -> None:
        kind = AuthKind.ANONYMOUS if principal.account is None else AuthKind.HEADER_V4
        key = None if principal.access_key is None else AccessKeyId(principal.access_key)
        authentication = Authentication(key, kind, secure=asked.secure)
        sender = Sender(S3Request("GET", b"/", b"", (), Headers()), authentication, asked.source_ip, now)
        super().__init__(site, principal, asked.operation, sender)
        self._given = asked.given

    def _question(
        self, action: str, bucket: BucketName | None, key: ObjectKey | None, owner: str, grants: Grants,
        sought: ObjectKey | None = None, version: str | None = None,
    ) -> Question:
        plain = super()._question(action, bucket, key, owner, grants, sought, version)
        return Question(plain.principal, plain.action, plain.resource, _Given(self._given, plain.context))


def _of_policies(
    access: _Imagined, asked: Asked, action: str, *, below: bool = False
) -> Iterator[Step]:
    bucket = None if ACTIONS[action] is Level.ACCOUNT else asked.bucket
    key = asked.key if ACTIONS[action] not in (Level.ACCOUNT, Level.BUCKET) else None
    question = access.question(action, bucket, key)
    grants = access.grants(bucket)
    sources: list[tuple[Source, Policy]] = [(Source.IDENTITY, one) for one in access.principal.policies]
    if grants.policy is not None:
        sources.append((Source.RESOURCE, grants.policy))
    sources += [(Source.BOUND, one) for one in access.principal.bounds]
    for source, policy in sources:
        for statement in policy.statements:
            if action in statement.actions:
                yield _of_statement(question, source, policy, statement)
    if access.is_unheard(bucket):
        yield Step(action, "public access block", "passed over", "RestrictPublicBuckets", _UNHEARD)
    elif bucket is not None and grants.has_acls:
        yield _of_acl(access, action, bucket, key)
    decision = access.decided(action, bucket, key)
    answer = "allowed" if decision.allowed else "refused"
    yield Step(action, "policies", answer, _decided_by(decision), decision.why.value)
    if below and decision.allowed and not access.covers(action, bucket, key):
        yield Step(action, "policies", "refused", "", NOT_BELOW)


def _of_acl(access: _Imagined, action: str, bucket: BucketName, key: ObjectKey | None) -> Step:
    decider, granted = access.by_acl(action, bucket, key)
    whose = next((name for name, account in access.accounts().items() if account.id == decider), decider)
    why = f"the account {whose} gives this away; ownership is {access.grants(bucket).ownership}"
    if granted is None:
        return Step(action, "acl", "passed over", "", why)
    return Step(action, "acl", "applies", granted.name, why)


def _decided_by(decision: Decision) -> str:
    named = [shown_statement(decision.statement, decision.silent)]
    named += [shown_statement(other, None) for other in decision.others]
    return "; ".join(name for name in named if name)


def _of_statement(question: Question, source: Source, policy: Policy, statement: Statement) -> Step:
    missed = statement.mismatch(question)
    place = Reference(source, policy.name, statement.index, statement.sid)
    name = shown_statement(place, None) or ""
    if missed is None:
        return Step(question.action, "statement", "applies", name, statement.effect.value)
    why = f"{statement.effect.value}: its {missed.element.value} does not fit"
    if missed.element is Element.CONDITION and missed.condition is not None:
        key = missed.condition.key
        had = question.context.get(key.lookup)
        why += f" ({key.name} is {', '.join(had) if had else 'absent'})"
    return Step(question.action, "statement", "passed over", name, why)


def _of_modes(site: Site, principal: Principal, asked: Asked, action: str) -> Iterator[Step]:
    need = None if asked.operation in _UNBOUND else _NEEDS.get(action)
    if need is None or asked.bucket is None or (asked.key is None and need is not Need.LIST):
        return
    namespace = site.namespace_of(principal)
    if not namespace.binds(asked.bucket):
        return
    key = asked.key or _prefix(asked)
    obstacle = namespace.obstacle(asked.bucket, key, need)
    if obstacle is None:
        yield Step(action, "modes", "allowed", "", f"modes and ACLs let it through: {_shown(namespace)}")
    elif need is Need.LIST and b"/" in key and obstacle.path:
        why = f"modes or ACLs hide what lies there, so it is not listed: {_shown(namespace)}"
        yield Step(action, "modes", "passed over", str(obstacle), why)
    else:
        yield Step(action, "modes", "refused", str(obstacle), f"modes or ACLs bind it: {_shown(namespace)}")


def _shown(namespace: Namespace) -> str:
    who = namespace.bound_as
    assert who is not None
    groups = f", groups {','.join(map(str, who.groups))}" if who.groups else ""
    return f"uid {who.uid}, gid {who.gid}{groups}"


def _prefix(asked: Asked) -> bytes:
    return "".join(asked.given.get(condition_keys.lookup_name("s3:prefix"), ())[:1]).encode()
