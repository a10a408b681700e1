"""STS: temporary credentials over HTTP, the same as the command line's, and who a key belongs to."""

from __future__ import annotations

import json
import re
from typing import Final

from weka_mp.identity import CredentialKind, Issued
from weka_mp.identity.issuing import HOUR_SECONDS, MIN_SECONDS, WEEK_SECONDS
from weka_mp.policy.documents import IDENTITY_CHARACTERS
from weka_mp.query.call import Call
from weka_mp.query.errors import QueryError
from weka_mp.query.parameters import invalid
from weka_mp.query.xml import Record, moment

__all__ = ["assume_role", "get_caller_identity", "get_session_token"]

_SECOND: Final = 1_000_000_000
_SESSION_MOST: Final = 36 * 3_600  # GetSessionToken, "DurationSeconds"
_SESSION_USUAL: Final = 12 * 3_600
_OF_ROOT_MOST: Final = 3_600
_ARN_LENGTHS: Final = range(20, 2_048 + 1)  # AssumeRole, "RoleArn"
_SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


def get_caller_identity(call: Call) -> Record:
    """Whose key it is. A service account and temporary credentials are their user."""
    return {"UserId": call.who.user_id, "Account": call.who.account_number, "Arn": call.who.arn}


def assume_role(call: Call) -> Record:
    """Temporary credentials of the caller itself: there are no roles. What names one is looked at for its
    form alone. Raises QueryError PackedPolicyTooLarge, and what the issuer raises.
    """
    parameters = call.parameters
    arn, session = parameters.text_or_none("RoleArn"), parameters.text_or_none("RoleSessionName")
    if arn is not None and (len(arn) not in _ARN_LENGTHS or not arn.startswith("arn:")):
        raise invalid("RoleArn", arn, "Member must be an ARN of 20 to 2048 characters")
    if session is not None and _SESSION_NAME.fullmatch(session) is None:
        raise invalid("RoleSessionName", session, r"Member must satisfy pattern: [\w+=,.@-]{2,64}")
    seconds = parameters.number("DurationSeconds", HOUR_SECONDS, MIN_SECONDS, WEEK_SECONDS)
    policy = parameters.text_or_none("Policy")
    packed = None if policy is None else _packed_percent(policy)
    issued = _issued(call, seconds, policy)
    user_id = f"{call.who.user_id}:{session}" if session else call.who.user_id
    return {
        "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": call.who.arn},
        "Credentials": _credentials(issued),
        "PackedPolicySize": packed,
    }


def get_session_token(call: Call) -> Record:
    """Temporary credentials of the caller itself, without a policy; root's live an hour at most."""
    seconds = call.parameters.number("DurationSeconds", _SESSION_USUAL, MIN_SECONDS, _SESSION_MOST)
    if call.who.kind is CredentialKind.ROOT:
        seconds = min(seconds, _OF_ROOT_MOST)
    return {"Credentials": _credentials(_issued(call, seconds, None))}


def _issued(call: Call, seconds: int, policy: str | None) -> Issued:
    call.desk.identities.prepare_keys()
    return call.desk.issuer.assume_role(call.who.access_key, seconds, policy)


def _packed_percent(policy: str) -> int:
    """How much of what a session policy may have it takes, white space not counted, as its parser counts.

    Raises QueryError PackedPolicyTooLarge.
    """
    try:
        size = len(json.dumps(json.loads(policy), ensure_ascii=False, separators=(",", ":")))
    except (ValueError, RecursionError):
        size = len(policy)  # its parser says what is wrong with it
    percent = -(-size * 100 // IDENTITY_CHARACTERS)
    if percent > 100:
        raise QueryError("PackedPolicyTooLarge", f"The policy has {percent} percent of the size allowed.")
    return percent


def _credentials(issued: Issued) -> Record:
    return {
        "AccessKeyId": issued.access_key,
        "SecretAccessKey": issued.secret,
        "SessionToken": issued.token,
        "Expiration": moment((issued.expires_s or 0) * _SECOND),
    }
