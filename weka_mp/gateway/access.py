"""May the sender of one request do this to that? One of these is made for each request.

Root of a store without other accounts is told so by two comparisons, where the bucket itself says nothing;
for everybody else the policies decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from weka_mp.acl import Acl
from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import (
    BucketMissing,
    DeleteMarkerMet,
    InvalidName,
    NamespaceError,
    NotFound,
    VersionMissing,
)
from weka_mp.gateway.acl_grants import (
    OF_BUCKETS,
    OF_INITIATORS,
    OF_NEW_OBJECTS,
    OF_OBJECTS,
    OF_OWNERS,
    granted_by,
)
from weka_mp.gateway.bucket_grants import NO_GRANTS, Grants, grants_of
from weka_mp.gateway.principals import Principal
from weka_mp.gateway.question_context import NOTHING_SAID, QuestionContext, Said, Sender
from weka_mp.gateway.refusals import NOT_BELOW, Refusal, shown_statement
from weka_mp.gateway.requirements import BY_ENTRY, REQUIRED, WRITES, resource_of
from weka_mp.policy.coverage import allows_below, denies_below, may_allow
from weka_mp.policy.decision import Decision, Granted, decide
from weka_mp.policy.documents import Policy
from weka_mp.policy.statements import Question
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_write import Owner
from weka_mp.values import BucketName, ObjectKey

if TYPE_CHECKING:
    from weka_mp.gateway.context import Site
    from weka_mp.namespace import ObjectInfo

__all__ = ["ROOT_NAME", "Access"]

ROOT_NAME: Final = "root"
"""Of the account that is always there, and to which every bucket belongs that names no other."""

_CREATE: Final = "s3:CreateBucket"
_MAKING: Final = "CreateBucket"
_NOTHING: Final = "nobody but root may do it"
_ANONYMOUS: Final = "nobody signed it"
_MODES: Final = "the modes or ACLs of directories and files do not let the user's uid and groups"


class Access:
    """What the principal may do. sender: the request, None where there is none to ask conditions of.

    refusals: those that were told so far; they are for the log.
    """

    __slots__ = (
        "_acls", "_grants", "_missing", "_owners", "_said", "operation", "principal", "refusals", "sender",
        "site",
    )  # fmt: skip

    def __init__(
        self, site: Site | None, principal: Principal, operation: str, sender: Sender | None
    ) -> None:
        self.site = site
        self.principal = principal
        self.operation = operation
        self.sender = sender
        self.refusals: list[Refusal] = []
        self._owners: dict[BucketName, Owner] | None = None
        self._grants: dict[BucketName, Grants] = {}
        self._missing: set[BucketName] = set()
        self._acls: dict[tuple[BucketName, ObjectKey, str | None], Acl | None] = {}
        self._said = NOTHING_SAID

    def look_again(self, principal: Principal) -> None:
        """Forget what was seen. The client says how long its body takes, and meanwhile a bucket can become
        another's, or deny what it allowed. principal: who asks, as they are now.
        """
        self.principal = principal
        self._owners = None
        self._grants.clear()
        self._acls.clear()
        self._missing.clear()

    # ---- whose it is
    def owner_of(self, bucket: BucketName | None) -> Owner:
        """The account that a bucket belongs to: root's for one that names no account, or one that is gone.
        Of what is no bucket it is the principal's own, who might make one.
        """
        accounts = self.principal.accounts
        if bucket is None or self.site is None or len(accounts) <= 1:
            return self._own() if bucket is None else self._root()
        if self._owners is None:
            self._owners = {}
        found = self._owners.get(bucket)
        if found is None:
            found = self._looked_up(self.site, bucket)
            if found is None:
                return self._own()  # not kept: the next one of this name may be anybody's
            self._owners[bucket] = found
        return found

    def owner_name(self, bucket: BucketName) -> str:
        """The same account by its name, as records have it."""
        found = self.owner_of(bucket)
        return next(
            (name for name, owner in self.principal.accounts.items() if owner.id == found.id), ROOT_NAME
        )

    def is_own(self, name: str | None) -> bool:
        """Whether a bucket whose record names this account is the principal's own account's."""
        accounts = self.principal.accounts
        if self.principal.account is None:
            return False
        if len(accounts) <= 1:
            return True
        return accounts.get(name or ROOT_NAME, accounts[ROOT_NAME]).id == self.principal.account

    def _looked_up(self, site: Site, bucket: BucketName) -> Owner | None:
        """None: there is no such bucket."""
        accounts = self.principal.accounts
        try:
            name = site.namespace.head_bucket(bucket).owner
        except BucketMissing:
            if is_bucket_name(bucket):  # what no bucket can be called is refused for that
                self._missing.add(bucket)
            return None
        return accounts.get(name or ROOT_NAME, accounts[ROOT_NAME])

    def _own(self) -> Owner:
        accounts = self.principal.accounts
        return accounts.get(self.principal.owner or ROOT_NAME) or self._root()

    def _root(self) -> Owner:
        known = self.principal.accounts.get(ROOT_NAME)
        if known is not None:
            return known
        return Owner((self.site.account if self.site else self.principal.account) or "", ROOT_NAME)

    def accounts(self) -> Mapping[str, Owner]:
        """Every account of the store by name."""
        return self.principal.accounts or {ROOT_NAME: self._root()}

    # ---- what the bucket says
    def grants(self, bucket: BucketName | None) -> Grants:
        """Looked at once a request. Nothing is said of what is no bucket, or is to be made one, whoever has
        one of that name. Raises S3Error ServiceUnavailable, NamespaceError.
        """
        if bucket is None or self.site is None or self.operation == _MAKING:
            return NO_GRANTS
        found = self._grants.get(bucket)
        if found is None:
            found = self._grants[bucket] = grants_of(self.site.namespace, bucket)
        return found

    def _linked(self, bucket: BucketName | None) -> None:
        """What was decided of a bucket that was not there says nothing of one that is made before it is acted
        on. Raises BucketMissing.
        """
        missing = bucket in self._missing and self.operation != _MAKING
        if missing or self.grants(bucket).unlinked:
            raise BucketMissing(subject=bucket or "")

    def _there(self, bucket: BucketName | None) -> None:
        """Whoever is about to be refused is told that there is no such bucket, as S3 tells everybody: which
        names are taken is no secret, what they hold is. Raises BucketMissing.
        """
        if bucket is None or self.site is None or self.operation == _MAKING or not is_bucket_name(bucket):
            return
        self.site.namespace.head_bucket(bucket)
        self._linked(bucket)

    # ---- the answer
    @property
    def _unlimited(self) -> bool:
        """Whether nobody but a bucket could limit this principal: root, where there is no other account."""
        principal = self.principal
        return (
            principal.is_root
            and principal.account is not None
            and not principal.bounds
            and len(principal.accounts) <= 1
        )

    def is_sovereign(self, bucket: BucketName | None) -> bool:
        """Whether it is the root of the account that owns the bucket, or would own it, and nothing narrows
        it. Raises NamespaceError.
        """
        principal = self.principal
        if self._unlimited:
            return True
        return (
            principal.is_root and not principal.bounds and self.owner_of(bucket).id == principal.account
        )

    def with_body(self, said: Said) -> None:
        """What the body says, or the source of a copy, where no header does."""
        self._said = said

    def allows(
        self, action: str, bucket: BucketName | None, key: ObjectKey | None = None, *,
        sought: ObjectKey | None = None,
    ) -> bool:
        """Whether it may; nothing is logged. sought: the one key that a listing is asked for. Raises S3Error,
        NamespaceError when the bucket cannot be looked at.
        """
        grants = self.grants(bucket)
        if self._unlimited and grants is NO_GRANTS:
            return True
        return self._decided(action, bucket, key, grants, sought).allowed

    def allows_under(self, grants: Grants, action: str, bucket: BucketName) -> bool:
        """Whether it may if that was what the bucket said; its block stays. Raises as `allows`."""
        return self._decided(action, bucket, None, replace(grants, block=self.grants(bucket).block)).allowed

    def require(
        self, actions: Iterable[str], bucket: BucketName | None, key: ObjectKey | None = None,
        *, below: bool = False, version: str | None = None,
    ) -> None:
        """below: for everything that begins with the key. version: if not in the query.
        Raises S3Error AccessDenied, NamespaceError (also that the bucket was unlinked).
        """
        grants = self.grants(bucket)
        if self._unlimited and grants is NO_GRANTS:
            return
        alone = len(self.principal.accounts) <= 1
        for action in actions:
            # What the bucket allows besides is of no weight then; what it denies is.
            denies = grants.policy is not None and bool(grants.policy.about(action).denies)
            if alone and not denies and self.principal.always_may(action):
                continue
            if below:
                self._require_below(action, bucket, key, grants)
                continue
            decision = self._decided(action, bucket, key, grants, version=version)
            if not decision.allowed:
                self._there(bucket)
                statement = shown_statement(decision.statement, decision.silent)
                raise self.refused(action, bucket, key, decision.why.value, statement)
        self._linked(bucket)

    def require_conceivable(
        self, actions: Iterable[str], bucket: BucketName | None, key: ObjectKey | None = None
    ) -> None:
        """What the body is still to tell might be allowed. key: None, where the body names objects.

        Raises S3Error AccessDenied, NamespaceError.
        """
        principal = self.principal
        rooted = principal.is_root and principal.account is not None
        if not rooted or principal.bounds:
            policy = self.grants(bucket).policy
            needed: list[tuple[Policy, ...]] = [(bound,) for bound in principal.bounds]
            if not rooted:
                needed.append(principal.policies if policy is None else (*principal.policies, policy))
            for action in actions:
                either = BY_ENTRY.get(action, ()) if key is None else ()
                below = bool(either)
                asked = either or (action,)
                if not any(_conceivable(needed, one, bucket, key, below=below) for one in asked):
                    self._there(bucket)
                    raise self.refused(action, bucket, key, "no policy allows it")
        self._linked(bucket)

    def refused(
        self, action: str, bucket: BucketName | None, key: ObjectKey | None, why: str,
        statement: str | None = None,
    ) -> S3Error:
        """The error to raise; it is noted for the log."""
        resource = resource_of(action, bucket, key)
        self._note(action, resource, why, statement, bucket, key)
        return S3Error("AccessDenied")

    def refused_by_modes(self, bucket: BucketName, key: ObjectKey | None) -> None:
        """Note for the log that the policies allowed it, and modes or ACLs did not."""
        if self.site is None or not self.site.namespace_of(self.principal).binds(bucket):
            return
        action = REQUIRED[self.operation][0]
        resource = resource_of(action, bucket, key)
        self._note(action, resource, _MODES, None, bucket, key)

    def refuse_operation(self) -> S3Error:
        """The error for what no action stands for."""
        why = _ANONYMOUS if self.principal.account is None else _NOTHING
        self._note(self.operation, "-", why)
        return S3Error("AccessDenied")

    def _note(
        self, action: str, resource: str, why: str, statement: str | None = None,
        bucket: BucketName | None = None, key: ObjectKey | None = None,
    ) -> None:
        who = self.principal
        self.refusals.append(
            Refusal(who.shown, action, resource, why, statement, who.access_key, bucket, key)
        )

    # ---- for who wants to know why
    def decided(self, action: str, bucket: BucketName | None, key: ObjectKey | None) -> Decision:
        """The decision itself. Raises as `allows`."""
        return self._decided(action, bucket, key, self.grants(bucket))

    def question(self, action: str, bucket: BucketName | None, key: ObjectKey | None) -> Question:
        """What is asked of every statement. Raises as `allows`."""
        owner = self.owner_of(None if self._makes(action) else bucket).id
        return self._question(action, bucket, key, owner, self.grants(bucket))

    def covers(self, action: str, bucket: BucketName | None, key: ObjectKey | None) -> bool:
        """Whether it may for everything that begins with the key. Raises as `allows`."""
        grants = self.grants(bucket)
        if self._unlimited and grants is NO_GRANTS:
            return True
        try:
            self._require_below(action, bucket, key, grants)
        except S3Error:
            self.refusals.pop()
            return False
        return True

    def _makes(self, action: str) -> bool:
        """Whether it is asked for a bucket that is to be made."""
        return action == _CREATE or self.operation == _MAKING

    def is_unheard(self, bucket: BucketName | None) -> bool:
        """Whether the bucket's policy grants nothing to the principal, whatever it says, by the public access
        block.
        """
        grants = self.grants(bucket)
        owner = self.owner_of(bucket).id
        return grants.policy is not None and grants.heard_by(self.principal.asks, owner) is None

    def _decided(
        self, action: str, bucket: BucketName | None, key: ObjectKey | None, grants: Grants,
        sought: ObjectKey | None = None, version: str | None = None,
    ) -> Decision:
        principal = self.principal
        # A bucket that is to be made is the maker's, whoever has one of that name.
        owner = self.owner_of(None if self._makes(action) else bucket).id
        decider, granted = owner, None
        # A public policy that is restricted to the owner's account lets nobody else in, by an ACL either.
        heard = grants.policy is None or grants.heard_by(principal.asks, owner) is not None
        if heard and grants.has_acls and bucket is not None:
            decider, granted = self.by_acl(action, bucket, key, version)
        return decide(
            self._question(action, bucket, key, owner, grants, sought, version),
            identity=principal.policies, resource=grants.policy, bounds=principal.bounds,
            owner_account=decider, granted=granted, allowing=heard and decider == owner,
        )

    # ---- what ACLs say
    def by_acl(
        self, action: str, bucket: BucketName, key: ObjectKey | None, version: str | None = None
    ) -> tuple[str, Granted | None]:
        """Whose account decides, and the grant to who asks, where the bucket has ACLs. version: if not in the
        query. Raises as `allows`.

        The ACL that an object is to get is its writer's business; who has no account may set it by the right
        to write.
        """
        owner, grants = self.owner_of(bucket).id, self.grants(bucket)
        account, ignored = self.principal.account, grants.block.ignore_public_acls
        in_making = self.operation in WRITES and action in OF_NEW_OBJECTS
        if in_making and action == "s3:PutObjectAcl" and account is not None:
            return account, None
        right = None if in_making else OF_OBJECTS.get(action)
        if right is not None and key is not None:
            acl = self._acl_of(bucket, key, version)
            if acl is None:
                return owner, None
            found = granted_by(acl.grants, right, account, of="object", ignore_public=ignored)
            return acl.owner or owner, found
        if in_making or (key is not None and self._has_made(action, bucket, key, version)):
            right = "WRITE"
        else:
            right = OF_BUCKETS.get(action)
        if right is None:
            return owner, None
        return owner, granted_by(grants.acl.grants, right, account, of="bucket", ignore_public=ignored)

    def _acl_of(self, bucket: BucketName, key: ObjectKey, version: str | None) -> Acl | None:
        """Looked at once a request. None: there is no such object."""
        if version is None and self.sender is not None:
            version = self.sender.request.query_value("versionId") or None
        seen = bucket, key, version
        if seen not in self._acls:
            assert self.site is not None
            namespace, found = self.site.namespace, None
            with suppress(NotFound, BucketMissing, InvalidName, VersionMissing, DeleteMarkerMet):
                info = namespace.head_object(bucket, key, version)
                found = namespace.acls.counting(bucket, info.acl)
            self._acls[seen] = found
        return self._acls[seen]

    def _has_made(
        self, action: str, bucket: BucketName, key: ObjectKey, version: str | None
    ) -> bool:
        """Whether who asks owns the object that is to go, or began the upload that is meant."""
        who = self.principal
        if who.account is None or self.site is None:
            return False
        if action in OF_OWNERS:
            acl = self._acl_of(bucket, key, version)
            return acl is not None and acl.owner == who.account
        upload = None if self.sender is None else self.sender.request.query_value("uploadId")
        if action not in OF_INITIATORS or upload is None:
            return False
        try:
            return self.site.namespace.upload_info(bucket, key, upload).new.owner == who.owner
        except NamespaceError:
            return False

    def found(
        self, actions: Iterable[str], bucket: BucketName, key: ObjectKey, info: ObjectInfo,
        version: str | None = None,
    ) -> None:
        """This object is acted upon; it may be another than the one whose ACL was judged. version: that was
        asked for. Raises as `require`.
        """
        if self._acls and self.site is not None:
            acl = self.site.namespace.acls.counting(bucket, info.acl)
            self.found_acl(actions, bucket, key, acl, version)

    def found_acl(
        self, actions: Iterable[str], bucket: BucketName, key: ObjectKey, acl: Acl, version: str | None
    ) -> None:
        """The same of the ACL that counts."""
        seen = bucket, key, version
        if seen in self._acls and self._acls[seen] != acl:
            self._acls[seen] = acl
            self.require(actions, bucket, key, version=version)

    def _require_below(
        self, action: str, bucket: BucketName | None, key: ObjectKey | None, grants: Grants
    ) -> None:
        principal = self.principal
        owner = self.owner_of(bucket).id
        question = self._question(action, bucket, key, owner, grants)
        at_home = principal.asks is not None and principal.asks.belongs_to(owner)
        if at_home and principal.is_root:
            covered = not principal.bounds and not denies_below(question, grants.policy)
        else:
            covered = at_home and allows_below(
                question, identity=principal.policies, resource=grants.policy, bounds=principal.bounds
            )
        if not covered:
            raise self.refused(action, bucket, key, NOT_BELOW)

    def _question(
        self, action: str, bucket: BucketName | None, key: ObjectKey | None, owner: str, grants: Grants,
        sought: ObjectKey | None = None, version: str | None = None,
    ) -> Question:
        site = self.site
        context = QuestionContext(
            self.sender, self.principal, site.namespace if site else None, site.region if site else "",
            self.operation, owner, bucket, key, self._said, sought,
            action, version,
        )
        asker = grants.asker(self.principal.asks, self.principal.user_id)
        return Question(asker, action, resource_of(action, bucket, key), context)


def _conceivable(
    needed: Iterable[tuple[Policy, ...]], action: str, bucket: BucketName | None, key: ObjectKey | None, *,
    below: bool,
) -> bool:
    """Whether each of these lets it be, of some key of the bucket where `below`."""
    resource = resource_of(action, bucket, b"" if below else key)
    return all(may_allow(policies, action, resource, below=below) for policies in needed)
