"""An endpoint with users: the identities of its store as administrators change them, and their clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY, Endpoint, running_endpoint
from weka_mp.clock import SystemRandom
from weka_mp.gateway.identities import open_identities
from weka_mp.identity import (
    Administration,
    CredentialIssuer,
    IdentityStore,
    Issued,
    KeyFile,
    PosixIdentity,
    Role,
    RootKeys,
)
from weka_mp.namespace import Namespace
from weka_mp.policy.canned import IDENTITY_POLICIES
from weka_mp.policy.documents import Policy
from weka_mp.store.posix import PosixStore

PASSWORD = "Correct-Horse-9"


def statement(effect: str, actions: str | list[str], *resources: str, **condition: Any) -> dict[str, Any]:
    """resources: what follows arn:aws:s3:::."""
    made = {"Effect": effect, "Action": actions, "Resource": [f"arn:aws:s3:::{name}" for name in resources]}
    return {**made, "Condition": condition} if condition else made


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(actions: str | list[str], *resources: str, **condition: Any) -> str:
    return document(statement("Allow", actions, *resources, **condition))


@dataclass
class Office:
    """Another process's view of the same store: what is changed here must be in force in the worker."""

    endpoint: Endpoint
    identities: IdentityStore[Policy]
    keys: str

    @property
    def admin(self) -> Administration[Policy]:
        return Administration(self.identities)

    @property
    def issuer(self) -> CredentialIssuer[Policy]:
        return CredentialIssuer(self.identities)

    def user(
        self, name: str, *policies: str, account: str = "root", posix: PosixIdentity | None = None
    ) -> Any:
        """A new S3 user with policies, each a document or the name of a predefined one; its client."""
        self.admin.add_user(name, Role.S3, PASSWORD, account=account, posix=posix or PosixIdentity())
        for number, policy in enumerate(policies):
            known = policy if policy in IDENTITY_POLICIES else f"{name}-{number}"
            if known != policy:
                self.admin.add_policy(known, policy, account=account)
            self.admin.attach_to_user(known, name)
        return self.endpoint.client(access_key=name, secret_key=PASSWORD)

    def service(self, service: str, credentials: Any = None) -> Any:
        """A client of sts, iam or s3 with root's keys, or those that one of the former two gave out."""
        found = credentials or {}
        return self.endpoint.client(
            service=service, access_key=found.get("AccessKeyId", ACCESS_KEY),
            secret_key=found.get("SecretAccessKey", SECRET_KEY), token=found.get("SessionToken"),
        )

    def client_of(self, issued: Issued, endpoint: Endpoint | None = None, **changed: str) -> Any:
        """changed: token, secret."""
        return boto3.client(
            "s3", endpoint_url=(endpoint or self.endpoint).url, region_name="us-east-1",
            aws_access_key_id=issued.access_key,
            aws_secret_access_key=changed.get("secret", issued.secret),
            aws_session_token=changed.get("token", issued.token),
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        )


def two_objects(office: Office) -> Office:
    """Put an object under each of two prefixes of a bucket."""
    client = office.endpoint.client()
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="a/k", Body=b"of a")
    client.put_object(Bucket="bucket", Key="b/k", Body=b"of b")
    return office


@contextmanager
def running_office(root: Path, **options: Any) -> Iterator[Office]:
    keys = str(root.parent / "state" / "identity-keys")
    with (
        Namespace.open(PosixStore(str(root)), clock=options.get("clock")) as namespace,
        running_endpoint(root, identity_keys=keys, **options) as endpoint,
    ):
        root_keys = RootKeys(ACCESS_KEY, SECRET_KEY)
        identities = open_identities(namespace, KeyFile(keys, SystemRandom()), root_keys, make_keys=True)
        try:
            yield Office(endpoint, identities, keys)
        finally:
            identities.close()
