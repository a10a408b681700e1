"""The paths below ``/api/v2`` for users, policies, credentials, buckets: each with verb, fields, handler."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from weka_mp.control import (
    audit_verbs,
    bucket_verbs,
    cluster_verbs,
    events,
    explain_verbs,
    inventory_verbs,
    lifecycle_verbs,
    notification_verbs,
    policy_verbs,
    retention_verbs,
    tls_verbs,
    user_verbs,
)
from weka_mp.control.desk import Answer, Changed, Desk, Question, failure
from weka_mp.control.fields import Fields
from weka_mp.control.roles import Verb, check_verb
from weka_mp.errors import NamespaceError
from weka_mp.identity import Caller
from weka_mp.identity.errors import IdentityError, LockedOut, LoginRefused
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.tls import TlsError

__all__ = ["IDENTITY_ROUTES", "PREFIX", "IdentityRoute", "answer", "find"]

log = logging.getLogger(__name__)

PREFIX: Final = "/api/v2"


@dataclass(frozen=True, slots=True)
class IdentityRoute:
    """`path`: after the prefix, with one ``{name}`` at most, which the handler gets. verb None: the body is
    the proof of who asks, and the handler gets the question in place of a caller.
    """

    method: str
    path: str
    verb: Verb | None
    handler: Callable[..., Any]
    fields: tuple[str, ...] = ()
    status: HTTPStatus = HTTPStatus.OK

    def match(self, path: str) -> dict[str, str] | None:
        """What the path named, None when it is another."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]{1,256})", self.path)
        found = re.fullmatch(PREFIX + pattern, path)
        return None if found is None else found.groupdict()


_ADDED: Final = HTTPStatus.CREATED
_DOCUMENT: Final = "policy_file_content"

IDENTITY_ROUTES: Final = (
    IdentityRoute("POST", "/login", None, user_verbs.login, ("username", "password")),
    IdentityRoute("POST", "/login/refresh", None, user_verbs.refresh, ("refresh_token",)),
    IdentityRoute("GET", "/users/whoami", Verb.WHOAMI, user_verbs.whoami),
    IdentityRoute(
        "PUT", "/login/password", Verb.CHANGE_OWN_PASSWORD, user_verbs.set_own_password, ("password",)
    ),
    IdentityRoute("DELETE", "/login/tokens", Verb.REVOKE_OWN_TOKENS, user_verbs.revoke_own),
    IdentityRoute(
        "POST", "/login/tokens", Verb.GENERATE_TOKEN, user_verbs.generate_token, ("access_token_timeout",)
    ),
    IdentityRoute("GET", "/users", Verb.LIST_USERS, user_verbs.list_users),
    IdentityRoute("POST", "/users", Verb.CHANGE_USERS, user_verbs.add_user, user_verbs.ADD_FIELDS, _ADDED),
    IdentityRoute(
        "PUT", "/users/{name}", Verb.CHANGE_USERS, user_verbs.update_user,
        ("role", "posix_uid", "posix_gid", "posix_groups"),
    ),
    IdentityRoute("DELETE", "/users/{name}", Verb.CHANGE_USERS, user_verbs.delete_user),
    # Of oneself, by name: what these two do to others their handlers ask for.
    IdentityRoute(
        "PUT", "/users/{name}/password", Verb.CHANGE_OWN_PASSWORD, user_verbs.set_password, ("password",)
    ),
    IdentityRoute("DELETE", "/users/{name}/tokens", Verb.REVOKE_OWN_TOKENS, user_verbs.revoke),
    IdentityRoute("GET", "/lockoutConfig", Verb.SHOW_LOCKOUT, user_verbs.show_lockout),
    IdentityRoute(
        "PUT", "/lockoutConfig", Verb.CHANGE_LOCKOUT, user_verbs.set_lockout,
        ("failed_attempts", "lockout_duration"),
    ),
    IdentityRoute("DELETE", "/lockoutConfig", Verb.CHANGE_LOCKOUT, user_verbs.reset_lockout),
    IdentityRoute("GET", "/tls", Verb.SHOW_TLS, tls_verbs.show_certificate),
    IdentityRoute(
        "PUT", "/tls", Verb.CHANGE_TLS, tls_verbs.set_certificate, ("certificate", "private_key")
    ),
    IdentityRoute("DELETE", "/tls", Verb.CHANGE_TLS, tls_verbs.unset_certificate),
    IdentityRoute("GET", "/tls/certificate", Verb.SHOW_TLS, tls_verbs.download_certificate),
    IdentityRoute("GET", "/events", Verb.LIST_EVENTS, events.list_events, events.LIST_FIELDS),
    IdentityRoute("GET", "/events/describe", Verb.LIST_EVENTS, events.list_types),
    IdentityRoute("GET", "/s3", Verb.SHOW_CLUSTER, cluster_verbs.show_cluster),
    IdentityRoute("GET", "/s3/containersAreReady", Verb.SHOW_CLUSTER, cluster_verbs.are_ready),
    IdentityRoute("GET", "/s3/debug", Verb.SHOW_CLUSTER, cluster_verbs.show_log_level),
    IdentityRoute("POST", "/s3/debug", Verb.CHANGE_LOG, cluster_verbs.set_log_level, ("level",)),
    IdentityRoute("GET", "/s3/auditWebhook", Verb.SHOW_AUDIT, audit_verbs.show_webhook),
    IdentityRoute(
        "POST", "/s3/auditWebhook/enable", Verb.CHANGE_AUDIT, audit_verbs.enable_webhook,
        ("endpoint", "auth_token", "verify"),
    ),
    IdentityRoute("POST", "/s3/auditWebhook/disable", Verb.CHANGE_AUDIT, audit_verbs.disable_webhook),
    IdentityRoute(
        "GET", "/s3/notificationTargets", Verb.SHOW_NOTIFICATION_TARGETS, notification_verbs.list_targets
    ),
    IdentityRoute(
        "POST", "/s3/notificationTargets", Verb.CHANGE_NOTIFICATION_TARGETS, notification_verbs.add_target,
        ("target_name", *notification_verbs.TARGET_FIELDS), _ADDED,
    ),
    IdentityRoute(
        "GET", "/s3/notificationTargets/{name}", Verb.SHOW_NOTIFICATION_TARGETS,
        notification_verbs.show_target,
    ),
    IdentityRoute(
        "PUT", "/s3/notificationTargets/{name}", Verb.CHANGE_NOTIFICATION_TARGETS,
        notification_verbs.update_target, notification_verbs.TARGET_FIELDS,
    ),
    IdentityRoute(
        "DELETE", "/s3/notificationTargets/{name}", Verb.CHANGE_NOTIFICATION_TARGETS,
        notification_verbs.remove_target,
    ),
    IdentityRoute("GET", "/s3/retentionClock", Verb.SHOW_RETENTION_CLOCK, retention_verbs.show_clock),
    IdentityRoute(
        "PUT", "/s3/retentionClock", Verb.CHANGE_RETENTION_CLOCK, retention_verbs.accept_clock, ("time",)
    ),
    IdentityRoute("GET", "/s3/policies", Verb.LIST_POLICIES, policy_verbs.list_policies),
    IdentityRoute(
        "POST", "/s3/policies", Verb.CHANGE_POLICIES, policy_verbs.add_policy,
        ("policy_name", _DOCUMENT), _ADDED,
    ),
    IdentityRoute(
        "POST", "/s3/policies/attach", Verb.CHANGE_POLICIES, policy_verbs.attach_policy,
        ("policy_name", "user_name"),
    ),
    IdentityRoute(
        "POST", "/s3/policies/detach", Verb.CHANGE_POLICIES, policy_verbs.detach_policy,
        ("policy_name", "user_name"),
    ),
    IdentityRoute("GET", "/s3/policies/{name}", Verb.LIST_POLICIES, policy_verbs.show_policy),
    IdentityRoute("DELETE", "/s3/policies/{name}", Verb.CHANGE_POLICIES, policy_verbs.remove_policy),
    IdentityRoute("GET", "/s3/userPolicies", Verb.LIST_POLICIES, policy_verbs.list_user_policies),
    IdentityRoute("GET", "/s3/buckets", Verb.LIST_BUCKETS, bucket_verbs.list_buckets),
    IdentityRoute(
        "POST", "/s3/buckets", Verb.CHANGE_BUCKETS, bucket_verbs.create_bucket,
        ("bucket_name", "policy", _DOCUMENT, "existing_path", "hard_quota"), _ADDED,
    ),
    IdentityRoute(
        "DELETE", "/s3/buckets/{bucket}", Verb.CHANGE_BUCKETS, bucket_verbs.destroy_bucket, ("unlink",)
    ),
    IdentityRoute(
        "PUT", "/s3/buckets/{bucket}/quota", Verb.CHANGE_BUCKETS, bucket_verbs.set_quota, ("hard_quota",)
    ),
    IdentityRoute(
        "DELETE", "/s3/buckets/{bucket}/quota", Verb.CHANGE_BUCKETS, bucket_verbs.unset_quota
    ),
    IdentityRoute("GET", "/s3/buckets/{bucket}/policy", Verb.LIST_BUCKETS, bucket_verbs.policy_name),
    IdentityRoute(
        "PUT", "/s3/buckets/{bucket}/policy", Verb.CHANGE_BUCKETS, bucket_verbs.set_policy,
        ("bucket_policy",),
    ),
    IdentityRoute("GET", "/s3/buckets/{bucket}/policyJson", Verb.LIST_BUCKETS, bucket_verbs.policy_text),
    IdentityRoute(
        "PUT", "/s3/buckets/{bucket}/policyJson", Verb.CHANGE_BUCKETS, bucket_verbs.set_policy_text,
        (_DOCUMENT,),
    ),
    IdentityRoute(
        "GET", "/s3/buckets/{bucket}/posixPermissions", Verb.LIST_BUCKETS, bucket_verbs.posix_permissions
    ),
    IdentityRoute(
        "PUT", "/s3/buckets/{bucket}/posixPermissions", Verb.CHANGE_BUCKETS,
        bucket_verbs.set_posix_permissions, ("posix_permissions",),
    ),
    IdentityRoute(
        "GET", "/s3/buckets/{bucket}/mountVersions", Verb.LIST_BUCKETS, bucket_verbs.mount_versions
    ),
    IdentityRoute(
        "PUT", "/s3/buckets/{bucket}/mountVersions", Verb.CHANGE_BUCKETS, bucket_verbs.set_mount_versions,
        ("mount_versions",),
    ),
    IdentityRoute(
        "POST", "/s3/explain", Verb.EXPLAIN, explain_verbs.explain_request, explain_verbs.EXPLAIN_FIELDS
    ),
    IdentityRoute(
        "GET", "/s3/buckets/{bucket}/inventory", Verb.LIST_OBJECTS, inventory_verbs.list_inventory,
        inventory_verbs.INVENTORY_FIELDS,
    ),
    IdentityRoute(
        "GET", "/s3/buckets/{bucket}/lifecycle/rules", Verb.LIST_LIFECYCLE, lifecycle_verbs.list_rules
    ),
    IdentityRoute(
        "POST", "/s3/buckets/{bucket}/lifecycle/rules", Verb.CHANGE_LIFECYCLE, lifecycle_verbs.add_rule,
        ("expiry_days", "prefix", "tags"), _ADDED,
    ),
    IdentityRoute(
        "DELETE", "/s3/buckets/{bucket}/lifecycle/rules", Verb.CHANGE_LIFECYCLE, lifecycle_verbs.reset_rules
    ),
    IdentityRoute(
        "DELETE", "/s3/buckets/{bucket}/lifecycle/rules/{rule}", Verb.CHANGE_LIFECYCLE,
        lifecycle_verbs.remove_rule,
    ),
    IdentityRoute(
        "GET", "/s3/serviceAccounts", Verb.USE_SERVICE_ACCOUNTS, policy_verbs.list_service_accounts
    ),
    IdentityRoute(
        "POST", "/s3/serviceAccounts", Verb.USE_SERVICE_ACCOUNTS, policy_verbs.add_service_account,
        (_DOCUMENT,), _ADDED,
    ),
    IdentityRoute(
        "GET", "/s3/serviceAccounts/{key}", Verb.USE_SERVICE_ACCOUNTS, policy_verbs.show_service_account
    ),
    IdentityRoute(
        "DELETE", "/s3/serviceAccounts/{key}", Verb.USE_SERVICE_ACCOUNTS, policy_verbs.remove_service_account
    ),
    IdentityRoute(
        "POST", "/s3/sts", None, policy_verbs.assume_role,
        ("access_key", "secret_key", "duration", _DOCUMENT),
    ),
)  # fmt: skip
"""No request matches two: what is about oneself lies below ``/login``, where no user's name can stand."""


def find(method: str, path: str) -> tuple[IdentityRoute, dict[str, str]] | None:
    """The route and what the path named. None: no such path here. Raises LookupError: another method."""
    others = False
    for route in IDENTITY_ROUTES:
        named = route.match(path)
        if named is not None and route.method == method:
            return route, named
        others = others or named is not None
    if others:
        raise LookupError("another method is served here")
    return None


def answer(desk: Desk, question: Question, route: IdentityRoute, named: Mapping[str, str]) -> Answer:
    """One question put to the desk. What is refused is an answer, too. Logs who changed what, and logins
    that failed, and keeps what was done as an event; of bodies the log says nothing.
    """
    caller: Caller | None = None
    try:
        if route.verb is None:
            fields = Fields(question.body, route.fields)
            found = route.handler(desk, question, fields)
        else:
            caller = desk.caller(question)
            check_verb(caller, route.verb)
            found = route.handler(desk, caller, Fields(question.body, route.fields), **named)
            if question.method != "GET":
                log.info("%s, from %s: %s %s", caller.user, question.source, question.method, question.path)
    except (LockedOut, LoginRefused) as error:
        log.warning("a login from %s failed: %s (%s)", question.source, error, question.path)
        return failure(error)
    except (IdentityError, MalformedPolicy, NamespaceError, TlsError) as error:
        return failure(error)
    changed = found if isinstance(found, Changed) else Changed(found)
    events.tell(desk, question, route.path, caller, named, changed.data)
    content = {"data": changed.data}
    return Answer(route.status, content, changed.changes, changed.retold, changed.retold_with)
