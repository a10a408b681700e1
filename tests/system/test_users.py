"""From nothing to a user who may read, with the program alone: commands, workers and endpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Service, running, weka_mp
from weka_mp.cli.services import store_id_of
from weka_mp.supervise.places import state_directory

pytestmark = pytest.mark.mount

PASSWORD = "Correct-Horse-9"


def client(
    service: Service, access_key: str, secret: str, token: str | None = None, of: str = "s3"
) -> Any:
    return boto3.client(
        of, endpoint_url=service.url, region_name=REGION, aws_access_key_id=access_key,
        aws_secret_access_key=secret, aws_session_token=token,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_from_nothing_to_a_user_who_may_read(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        store = tmp_path / "store"

        def run(*words: str, stdin: str = "", **environ: str) -> str:
            done = weka_mp(*words, "--store", store, stdin=stdin, **environ)
            assert done.returncode == 0, done.stderr
            return done.stdout

        try:
            bucket = service.make_bucket("users")
            bucket.put("k", b"read me")
            get = {"Bucket": bucket.name, "Key": "k"}
            run("user", "add", "ann", "s3", "--posix-uid", "1234", stdin=f"{PASSWORD}\n")
            ann = client(service, "ann", PASSWORD)
            assert code(ann.get_object, **get) == "AccessDenied"
            run("s3", "policy", "attach", "readonly", "ann")
            assert ann.get_object(**get)["Body"].read() == b"read me"
            assert code(ann.put_object, **get, Body=b"x") == "AccessDenied"
            printed = run("s3", "sts", "assume-role", "--access-key", "ann", "--duration", "15m",
                          stdin=f"{PASSWORD}\n")
            said = dict(line.split(": ", 1) for line in printed.splitlines())
            session = client(service, said["Access-Key"], said["Secret-Key"], said["Session-Token"])
            assert session.get_object(**get)["Body"].read() == b"read me"
            run("s3", "policy", "attach", "readwrite", "ann")
            session.put_object(Bucket=bucket.name, Key="by-ann", Body=b"x")
            assert (bucket.path / "by-ann").stat().st_uid == 1234
            run("user", "delete", "ann")
            for one in (ann, session):
                assert code(one.get_object, **get) == "InvalidAccessKeyId"
        finally:
            _forget(store)


def test_who_is_deleted_is_nobody_in_every_worker(tmp_path: Path) -> None:
    """Over STS and IAM alone, with two workers: whoever asks right after the answer is refused."""
    with running(tmp_path, "--workers", "2", mount=False) as service:
        try:
            iam = client(service, ACCESS_KEY, SECRET_KEY, of="iam")
            bucket = service.make_bucket("users")
            for name in ("ann", "bob"):
                iam.create_user(UserName=name)
            iam.create_group(GroupName="staff")
            iam.attach_group_policy(GroupName="staff", PolicyArn="arn:aws:iam::aws:policy/readwrite")
            keys = {name: iam.create_access_key(UserName=name)["AccessKey"] for name in ("ann", "bob")}
            for name in keys:
                iam.add_user_to_group(GroupName="staff", UserName=name)
            ann = client(service, *_pair(keys["ann"]), of="sts")
            given = ann.assume_role(RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="any")["Credentials"]
            # A connection belongs to one worker: so many reach both.
            sessions = [client(service, *_pair(given), given["SessionToken"]) for _ in range(12)]
            for session in sessions:
                session.list_objects_v2(Bucket=bucket.name)
            iam.remove_user_from_group(GroupName="staff", UserName="ann")
            assert {code(one.list_objects_v2, Bucket=bucket.name) for one in sessions} == {"AccessDenied"}
            iam.delete_access_key(UserName="ann", AccessKeyId=keys["ann"]["AccessKeyId"])
            iam.delete_user(UserName="ann")
            found = {code(one.list_objects_v2, Bucket=bucket.name) for one in sessions}
            assert found == {"InvalidAccessKeyId"}
            told = [client(service, *_pair(given), given["SessionToken"], of="sts") for _ in range(4)]
            assert {code(one.get_caller_identity) for one in told} == {"InvalidClientTokenId"}
            client(service, *_pair(keys["bob"])).list_objects_v2(Bucket=bucket.name)
        finally:
            _forget(tmp_path / "store")


def _pair(key: dict[str, str]) -> tuple[str, str]:
    return key["AccessKeyId"], key["SecretAccessKey"]


def _forget(store: Path) -> None:
    """The state directory of a store, whose keys nobody wants any more."""
    store_id = store_id_of(str(store))
    assert store_id is not None
    shutil.rmtree(state_directory(store_id, {}, 0), ignore_errors=True)
