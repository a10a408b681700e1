"""Whether a policy takes from a user what STS gives to everybody, where no signed request asks for it."""

from __future__ import annotations

from weka_mp.gateway.explaining import find_principal
from weka_mp.gateway.question_context import QuestionContext, Sender
from weka_mp.identity import IdentityStore
from weka_mp.policy.decision import Why, decide
from weka_mp.policy.documents import Policy
from weka_mp.policy.statements import Question
from weka_mp.s3.credentials import AccessKeyId, Authentication, AuthKind
from weka_mp.s3.request import Headers, S3Request

__all__ = ["denies_sts"]


def denies_sts(
    store: IdentityStore[Policy], name: str, operation: str, region: str, source: str, now: float
) -> bool:
    """name: of the user. source: its address. now: seconds since the epoch. Raises IdentityUnusable."""
    principal = find_principal(store, name)
    if principal is None or principal.is_root or principal.asks is None:
        return False
    sent = Authentication(AccessKeyId(name), AuthKind.HEADER_V4)
    sender = Sender(S3Request("POST", b"/", b"", (), Headers()), sent, source, now)
    account = principal.account or ""
    context = QuestionContext(sender, principal, None, region, operation, account, None, None)
    question = Question(principal.asks, f"sts:{operation}", principal.shown, context)
    decision = decide(
        question, identity=principal.policies, resource=None, bounds=(), owner_account=account
    )
    return decision.why is Why.EXPLICIT_DENY
