"""Users, logins and the rule of lock-outs, as the administration API has them.

Each takes the desk, who asks, the body's fields and what the path named; each returns what JSON carries.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from weka_mp.control.desk import Desk, Question
from weka_mp.control.fields import Fields
from weka_mp.control.roles import Verb, check_account, check_role, check_verb, is_in_sight
from weka_mp.identity import Caller, LockOutRule, PosixIdentity, Role, TokenPair
from weka_mp.identity.errors import IdentityError, InvalidInput, NoSuchEntity, Unmodifiable
from weka_mp.identity.logins import GENERATED_SECONDS
from weka_mp.identity.model import User
from weka_mp.identity.naming import ROOT

__all__ = [
    "add_user", "delete_user", "generate_token", "list_users", "login", "refresh", "reset_lockout", "revoke",
    "revoke_own", "set_lockout", "set_own_password", "set_password", "show_lockout", "update_user", "whoami",
]  # fmt: skip

ADD_FIELDS: Final = (
    "username", "password", "role", "posix_uid", "posix_gid", "posix_groups", "account", "display_name",
    "email",
)  # fmt: skip


# ---- logging in; these two have no caller yet
def login(desk: Desk, question: Question, fields: Fields) -> Any:
    """Name and password for tokens."""
    return _tokens(desk.logins.login(fields.text("username"), fields.text("password"), question.source))


def refresh(desk: Desk, question: Question, fields: Fields) -> Any:
    """The refresh token for others."""
    return _tokens(desk.logins.refresh(fields.text("refresh_token")))


def _tokens(pair: TokenPair) -> Any:
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
    }


def generate_token(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """A longer-lived access token of the caller."""
    seconds = fields.number_or_none("access_token_timeout")
    token = desk.logins.generate_token(caller.user, GENERATED_SECONDS if seconds is None else seconds)
    return {"access_token": token, "token_type": "Bearer"}


# ---- oneself
def whoami(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The caller as the token, or the socket, has it."""
    if caller.user == ROOT:
        return _root()
    return _shown(desk.identities.registry.user(caller.user))


def set_own_password(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Who knows the old password, or has a token, sets another."""
    desk.administration.set_password(caller.user, fields.text("password"))
    return {"username": caller.user}


def revoke_own(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The caller's tokens and temporary credentials end."""
    desk.administration.revoke(caller.user)
    return {"username": caller.user}


# ---- users
def list_users(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """All, or those of the caller's account; root first."""
    users = sorted(desk.identities.registry.users.values(), key=lambda user: user.name)
    head = [_root()] if is_in_sight(caller, ROOT) else []
    return [*head, *(_shown(user) for user in users if is_in_sight(caller, user.account))]


def add_user(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """A user; its account is made when the caller may and it is not there."""
    role = _role(fields.text("role"))
    account = fields.text_or_none("account") or caller.account
    check_account(caller, account)
    check_role(caller, role)
    made = _prepare_account(desk, caller, account, fields)
    try:
        user = desk.administration.add_user(
            fields.text("username"), role, fields.text("password"), account=account,
            posix=_posix(fields, PosixIdentity()),
        )  # fmt: skip
    except BaseException:
        if made:
            with suppress(IdentityError):
                desk.administration.remove_account(account)
        raise
    return _shown(user)


def _prepare_account(desk: Desk, caller: Caller, account: str, fields: Fields) -> bool:
    """Whether it was made."""
    display_name, email = fields.text_or_none("display_name"), fields.text_or_none("email")
    if account not in desk.identities.registry.accounts:
        desk.administration.add_account(account, display_name=display_name, email=email)
        return True
    if display_name is not None or email is not None:
        desk.administration.update_account(account, display_name=display_name, email=email)
    return False


def update_user(desk: Desk, caller: Caller, fields: Fields, name: str) -> Any:
    """Another role, uid, gid or groups."""
    user = _target(desk, caller, name)
    text = fields.text_or_none("role")
    role = None if text is None else _role(text)
    if role is not None:
        check_role(caller, role)
    posix: PosixIdentity | None = _posix(fields, user.posix)
    if posix == user.posix and not fields.has_any("posix_uid", "posix_gid", "posix_groups"):
        posix = None
    if role is None and posix is None:
        raise InvalidInput("nothing to change: give role, posix_uid, posix_gid or posix_groups")
    return _shown(desk.administration.update_user(name, role=role, posix=posix))


def set_password(desk: Desk, caller: Caller, fields: Fields, name: str) -> Any:
    """Of another."""
    if name != caller.user:
        check_verb(caller, Verb.CHANGE_USERS)
        _target(desk, caller, name)
    desk.administration.set_password(name, fields.text("password"))
    return {"username": name}


def delete_user(desk: Desk, caller: Caller, fields: Fields, name: str) -> Any:
    """With all that it has and gave out."""
    _target(desk, caller, name)
    desk.administration.remove_user(name)
    return {"username": name}


def revoke(desk: Desk, caller: Caller, fields: Fields, name: str) -> Any:
    """Another's tokens and temporary credentials end; root's, by a cluster administrator."""
    if name == ROOT:
        check_role(caller, Role.CLUSTER_ADMIN)
    elif name != caller.user:
        check_verb(caller, Verb.CHANGE_USERS)
        _target(desk, caller, name)
    desk.administration.revoke(name)
    return {"username": name}


def _target(desk: Desk, caller: Caller, name: str) -> User:
    """A user whom the caller may change. Another account's is as one that is not there."""
    if name == ROOT:
        raise Unmodifiable(f"the user {ROOT} is built in: its keys are those of the root credentials")
    user = desk.identities.registry.user(name)
    if not is_in_sight(caller, user.account):
        raise NoSuchEntity(f"the account {caller.account} has no user {name}")
    check_role(caller, user.role)
    return user


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise InvalidInput(f"no such role; there are {', '.join(role.value for role in Role)}") from None


def _posix(fields: Fields, old: PosixIdentity) -> PosixIdentity:
    uid, gid = fields.number_or_none("posix_uid"), fields.number_or_none("posix_gid")
    groups = fields.numbers_or_none("posix_groups")
    return PosixIdentity(
        old.uid if uid is None else uid,
        old.gid if gid is None else gid,
        old.groups if groups is None else groups,
    )


def _shown(user: User) -> dict[str, Any]:
    s3 = user.role is Role.S3
    return {
        "username": user.name,
        "role": user.role.value,
        "account": user.account,
        "posix_uid": user.posix.uid if s3 else None,
        "posix_gid": user.posix.gid if s3 else None,
        "posix_groups": list(user.posix.groups) if s3 else [],
        "s3_policy": user.cli_policy,
        "iam_policies": list(user.policies),
    }


def _root() -> dict[str, Any]:
    return {
        "username": ROOT, "role": Role.CLUSTER_ADMIN.value, "account": ROOT, "posix_uid": None,
        "posix_gid": None, "posix_groups": [], "s3_policy": None, "iam_policies": [],
    }  # fmt: skip


# ---- lock-outs
def show_lockout(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The rule in force."""
    return _rule(desk.identities.registry.lock_out)


def set_lockout(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """What is not given stays."""
    old = desk.identities.registry.lock_out
    attempts, seconds = fields.number_or_none("failed_attempts"), fields.number_or_none("lockout_duration")
    if attempts is None and seconds is None:
        raise InvalidInput("nothing to change: give failed_attempts or lockout_duration")
    rule = LockOutRule(
        old.attempts if attempts is None else attempts, old.seconds if seconds is None else seconds
    )
    desk.administration.set_lock_out(rule)
    return _rule(rule)


def reset_lockout(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The default rule."""
    desk.administration.set_lock_out(LockOutRule())
    return _rule(LockOutRule())


def _rule(rule: LockOutRule) -> Any:
    return {"failed_attempts": rule.attempts, "lockout_duration": rule.seconds}
