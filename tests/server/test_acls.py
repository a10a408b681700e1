"""ACLs and whose objects are: three accounts, anonymous requests, and what POSIX makes beside them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore import UNSIGNED

from tests.server.identities import Office, document, running_office, statement
from tests.server.test_objects import failure
from weka_mp.acl import ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY
from weka_mp.identity.naming import canonical_id

DENIED = ("AccessDenied", 403)
NOT_SUPPORTED = ("AccessControlListNotSupported", 400)


class Accounts(NamedTuple):
    """Clients: `owner` makes the bucket ``bucket``, `writer` and `other` are of other accounts, `nobody`
    signs nothing; and the canonical ids of the three.
    """

    office: Office
    root: Path
    owner: Any
    writer: Any
    other: Any
    nobody: Any
    owner_id: str
    writer_id: str
    other_id: str


@contextmanager
def accounts(root: Path, **options: Any) -> Iterator[Accounts]:
    with running_office(root, **options) as office:
        clients = []
        for name in ("owner", "writer", "other"):
            office.admin.add_account(name, email=f"{name}@example.com")
            clients.append(office.user(f"{name}-user", "readwrite", account=name))
        nobody = office.endpoint.client(signature_version=UNSIGNED)
        ids = [client.list_buckets()["Owner"]["ID"] for client in clients]
        yield Accounts(office, root, *clients, nobody, *ids)


@pytest.fixture
def acl(tmp_path: Path) -> Iterator[Accounts]:
    """With a bucket whose objects are their writers', into which the writer may write by an ACL."""
    root = tmp_path / "store"
    root.mkdir()
    with accounts(root) as found:
        found.owner.create_bucket(Bucket="bucket", ObjectOwnership="ObjectWriter")
        found.owner.put_bucket_acl(Bucket="bucket", GrantWrite=f'id="{found.writer_id}"')
        yield found


def grants(answer: Any) -> list[tuple[str, str]]:
    rows = [(row["Grantee"], row["Permission"]) for row in answer["Grants"]]
    return [(grantee.get("ID") or grantee["URI"], right) for grantee, right in rows]


def body(client: Any, key: str) -> bytes:
    return bytes(client.get_object(Bucket="bucket", Key=key)["Body"].read())


def test_a_new_bucket_has_no_acls(acl: Accounts) -> None:
    acl.owner.create_bucket(Bucket="plain")
    controls = acl.owner.get_bucket_ownership_controls(Bucket="plain")["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for call in (acl.owner.put_object, acl.owner.create_multipart_upload):
        assert failure(call, Bucket="plain", Key="k", ACL="public-read") == NOT_SUPPORTED
        call(Bucket="plain", Key="k", ACL="bucket-owner-full-control")
        call(Bucket="plain", Key="k", ACL="private")  # which rclone says with all that it uploads
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    acl.owner.put_bucket_ownership_controls(Bucket="plain", OwnershipControls=rules)
    assert failure(acl.owner.put_object, Bucket="plain", Key="k", ACL="private") == NOT_SUPPORTED
    assert failure(acl.owner.put_bucket_acl, Bucket="plain", ACL="public-read") == NOT_SUPPORTED
    refused = failure(acl.owner.create_bucket, Bucket="public", ACL="public-read")
    assert refused == ("InvalidBucketAclWithObjectOwnership", 400)
    assert failure(acl.owner.head_bucket, Bucket="public")[1] == 404


def test_a_bucket_is_made_again_only_as_it_is(acl: Accounts) -> None:
    public = {"Bucket": "public", "ObjectOwnership": "ObjectWriter", "ACL": "public-read"}
    for _ in range(2):
        acl.owner.create_bucket(**public)
    acl.owner.create_bucket(Bucket="public")
    for other in ({"ACL": "public-read-write"}, {"ObjectOwnership": "BucketOwnerPreferred"}):
        again = failure(acl.owner.create_bucket, **{**public, **other})
        assert again == ("BucketAlreadyOwnedByYou", 409)
    assert failure(acl.writer.create_bucket, **public) == ("BucketAlreadyExists", 409)
    assert (ALL_USERS, "READ") in grants(acl.owner.get_bucket_acl(Bucket="public"))


def test_ownership_controls_are_set_and_deleted(acl: Accounts) -> None:
    def put(ownership: str) -> Any:
        rules = {"Rules": [{"ObjectOwnership": ownership}]}
        return acl.owner.put_bucket_ownership_controls(Bucket="bucket", OwnershipControls=rules)

    put("BucketOwnerPreferred")
    shown = acl.owner.get_bucket_ownership_controls(Bucket="bucket")["OwnershipControls"]
    assert shown["Rules"] == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    # The bucket's ACL lets the writer in: that has to go first.
    assert failure(put, ownership="BucketOwnerEnforced") == ("InvalidBucketAclWithObjectOwnership", 400)
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="private")
    put("BucketOwnerEnforced")
    acl.owner.delete_bucket_ownership_controls(Bucket="bucket")
    gone = failure(acl.owner.get_bucket_ownership_controls, Bucket="bucket")
    assert gone == ("OwnershipControlsNotFoundError", 404)
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="public-read")  # as before there were controls
    assert failure(acl.writer.get_bucket_ownership_controls, Bucket="bucket") == DENIED


def test_an_object_is_its_writers_and_not_the_buckets_owners(acl: Accounts) -> None:
    acl.writer.put_object(Bucket="bucket", Key="k", Body=b"x")
    assert acl.writer.get_object_acl(Bucket="bucket", Key="k")["Owner"]["ID"] == acl.writer_id
    assert body(acl.writer, "k") == b"x"
    for call in (acl.owner.get_object, acl.owner.head_object, acl.owner.get_object_acl):
        assert failure(call, Bucket="bucket", Key="k")[1] == 403
    copied = {"CopySource": "bucket/k", "Bucket": "bucket", "Key": "copy"}
    assert failure(acl.owner.copy_object, **copied) == DENIED
    # No policy of the bucket gives away what is not the bucket's owner's.
    allows = {**statement("Allow", "s3:GetObject", "bucket/*"), "Principal": "*"}
    acl.owner.put_bucket_policy(Bucket="bucket", Policy=document(allows))
    for client in (acl.owner, acl.other, acl.nobody):
        assert failure(client.get_object, Bucket="bucket", Key="k") == DENIED
    rows = acl.owner.list_objects(Bucket="bucket")["Contents"]
    assert [row["Owner"]["ID"] for row in rows] == [acl.writer_id]
    # But it can forbid, and the bucket's owner can always delete.
    denies = {**statement("Deny", "s3:GetObject", "bucket/*"), "Principal": "*"}
    acl.owner.put_bucket_policy(Bucket="bucket", Policy=document(denies))
    assert failure(acl.writer.get_object, Bucket="bucket", Key="k") == DENIED
    acl.owner.delete_object(Bucket="bucket", Key="k")


def test_who_may_write_may_delete_what_is_theirs(acl: Accounts) -> None:
    acl.writer.put_object(Bucket="bucket", Key="mine", Body=b"x")
    acl.owner.put_object(Bucket="bucket", Key="theirs", Body=b"x")
    assert failure(acl.writer.delete_object, Bucket="bucket", Key="theirs") == DENIED
    gone = acl.writer.delete_objects(
        Bucket="bucket", Delete={"Objects": [{"Key": "mine"}, {"Key": "theirs"}]}
    )
    assert [row["Key"] for row in gone["Deleted"]] == ["mine"]
    assert [row["Code"] for row in gone["Errors"]] == ["AccessDenied"]
    assert failure(acl.other.put_object, Bucket="bucket", Key="k", Body=b"") == DENIED
    assert failure(acl.writer.list_objects_v2, Bucket="bucket") == DENIED


def test_uploads_in_parts_are_their_beginners(acl: Accounts) -> None:
    begun = acl.writer.create_multipart_upload(Bucket="bucket", Key="k", ACL="authenticated-read")
    upload = {"Bucket": "bucket", "Key": "k", "UploadId": begun["UploadId"]}
    part = acl.writer.upload_part(**upload, PartNumber=1, Body=b"part")
    assert len(acl.writer.list_parts(**upload)["Parts"]) == 1
    acl.writer.complete_multipart_upload(
        **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    shown = acl.writer.get_object_acl(Bucket="bucket", Key="k")
    assert shown["Owner"]["ID"] == acl.writer_id
    assert grants(shown) == [(AUTHENTICATED_USERS, "READ"), (acl.writer_id, "FULL_CONTROL")]
    assert body(acl.other, "k") == b"part"
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="k") == DENIED
    again = acl.writer.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
    acl.writer.abort_multipart_upload(Bucket="bucket", Key="k", UploadId=again)
    others = acl.owner.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
    assert failure(acl.writer.abort_multipart_upload, Bucket="bucket", Key="k", UploadId=others) == DENIED


def test_bucket_owner_preferred_takes_what_is_left_to_it(acl: Accounts) -> None:
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    acl.owner.put_bucket_ownership_controls(Bucket="bucket", OwnershipControls=rules)
    acl.writer.put_object(Bucket="bucket", Key="left", Body=b"x", ACL="bucket-owner-full-control")
    acl.writer.put_object(Bucket="bucket", Key="kept", Body=b"x")
    assert acl.owner.get_object_acl(Bucket="bucket", Key="left")["Owner"]["ID"] == acl.owner_id
    assert failure(acl.owner.get_object_acl, Bucket="bucket", Key="kept") == DENIED
    # What was kept is not taken by an ACL that is put later: it grants, and the owner stays.
    acl.writer.put_object_acl(Bucket="bucket", Key="kept", ACL="bucket-owner-full-control")
    shown = acl.owner.get_object_acl(Bucket="bucket", Key="kept")
    assert shown["Owner"]["ID"] == acl.writer_id
    assert grants(shown) == [(acl.writer_id, "FULL_CONTROL"), (acl.owner_id, "FULL_CONTROL")]
    given = {"Owner": {"ID": acl.owner_id}, "Grants": shown["Grants"]}
    taking = failure(acl.owner.put_object_acl, Bucket="bucket", Key="kept", AccessControlPolicy=given)
    assert taking == DENIED
    assert acl.writer.get_object_acl(Bucket="bucket", Key="kept")["Owner"]["ID"] == acl.writer_id


CANNED = {
    "private": [],
    "public-read": [(ALL_USERS, "READ")],
    "public-read-write": [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")],
    "authenticated-read": [(AUTHENTICATED_USERS, "READ")],
    "aws-exec-read": [("6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c", "READ")],
    "bucket-owner-read": [("owner", "READ")],
    "bucket-owner-full-control": [("owner", "FULL_CONTROL")],
}


def test_canned_acls(acl: Accounts) -> None:
    for name, expected in CANNED.items():
        acl.writer.put_object(Bucket="bucket", Key="k", Body=b"x", ACL=name)
        more = [(acl.owner_id if who == "owner" else who, right) for who, right in expected]
        found = grants(acl.writer.get_object_acl(Bucket="bucket", Key="k"))
        assert sorted(found) == sorted([(acl.writer_id, "FULL_CONTROL"), *more]), name
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="log-delivery-write")
    assert grants(acl.owner.get_bucket_acl(Bucket="bucket")) == [
        (LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP"), (acl.owner_id, "FULL_CONTROL"),
    ]  # fmt: skip
    assert failure(acl.owner.put_object_acl, Bucket="bucket", Key="k", ACL="all")[0] == "InvalidArgument"


def test_regression_a_maker_who_says_that_there_are_no_acls_has_said_it(acl: Accounts) -> None:
    acl.owner.create_bucket(Bucket="enforced", ObjectOwnership="BucketOwnerEnforced")
    acl.owner.create_bucket(Bucket="silent")
    put = {"Key": "k", "Body": b"x", "ACL": "private"}
    assert failure(acl.owner.put_object, Bucket="enforced", **put) == NOT_SUPPORTED
    acl.owner.put_object(Bucket="silent", **put)


def test_groups_are_shown_before_accounts_however_they_were_put(acl: Accounts) -> None:
    before = acl.owner.get_bucket_acl(Bucket="bucket")
    everybody = {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"}
    spelt = {"Owner": before["Owner"], "Grants": [*before["Grants"], everybody]}
    acl.owner.put_bucket_acl(Bucket="bucket", AccessControlPolicy=spelt)
    assert grants(acl.owner.get_bucket_acl(Bucket="bucket")) == [
        (ALL_USERS, "READ"), *grants(before),
    ]  # fmt: skip


def test_each_right_gives_what_it_says_and_no_more(acl: Accounts) -> None:
    calls = {
        "READ": lambda who: who.get_object(Bucket="bucket", Key="k")["Body"].close(),
        "READ_ACP": lambda who: who.get_object_acl(Bucket="bucket", Key="k"),
        "WRITE_ACP": lambda who: who.put_object_acl(Bucket="bucket", Key="k", ACL="private"),
    }
    for right in (*calls, "FULL_CONTROL"):
        for name, call in calls.items():
            option = {"Grant" + right.title().replace("_", "").replace("Acp", "ACP"): f"id={acl.other_id}"}
            acl.owner.put_object(Bucket="bucket", Key="k", Body=b"x", **option)
            if right in (name, "FULL_CONTROL"):
                call(acl.other)
            else:
                assert failure(call, who=acl.other) == DENIED, (right, name)
            assert failure(call, who=acl.writer) == DENIED
    of_bucket = {
        "READ": lambda who: who.list_objects_v2(Bucket="bucket"),
        "WRITE": lambda who: who.put_object(Bucket="bucket", Key="new", Body=b""),
        "READ_ACP": lambda who: who.get_bucket_acl(Bucket="bucket"),
    }
    for right in of_bucket:
        option = {"Grant" + right.title().replace("_", "").replace("Acp", "ACP"): f"id={acl.other_id}"}
        acl.owner.put_bucket_acl(Bucket="bucket", **option)
        for name, call in of_bucket.items():
            if name == right:
                call(acl.other)
            else:
                assert failure(call, who=acl.other) == DENIED, (right, name)


def test_what_everybody_may_read_needs_no_signature(acl: Accounts) -> None:
    acl.owner.put_object(Bucket="bucket", Key="open", Body=b"x", ACL="public-read")
    acl.owner.put_object(Bucket="bucket", Key="shut", Body=b"x")
    assert body(acl.nobody, "open") == body(acl.other, "open") == b"x"
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="shut") == DENIED
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="missing") == DENIED
    assert failure(acl.nobody.list_objects_v2, Bucket="bucket") == DENIED
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="public-read-write")
    assert len(acl.nobody.list_objects_v2(Bucket="bucket")["Contents"]) == 2
    # What nobody signed for is the bucket's owner's.
    acl.nobody.put_object(Bucket="bucket", Key="left", Body=b"x")
    assert acl.owner.get_object_acl(Bucket="bucket", Key="left")["Owner"]["ID"] == acl.owner_id
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="left") == DENIED
    assert failure(acl.nobody.put_object_acl, Bucket="bucket", Key="left", ACL="public-read") == DENIED
    assert failure(acl.nobody.delete_object, Bucket="bucket", Key="left") == DENIED
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="missing") == ("NoSuchKey", 404)
    acl.nobody.put_object(Bucket="bucket", Key="given", Body=b"y", ACL="public-read")
    assert body(acl.nobody, "given") == b"y"


def block(acl: Accounts, **settings: bool) -> None:
    acl.owner.put_public_access_block(Bucket="bucket", PublicAccessBlockConfiguration=settings)


def test_the_public_access_block_ignores_and_refuses_public_acls(acl: Accounts) -> None:
    acl.owner.put_object(Bucket="bucket", Key="k", Body=b"x", ACL="public-read")
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="public-read")
    block(acl, IgnorePublicAcls=True)
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="k") == DENIED
    assert failure(acl.nobody.list_objects_v2, Bucket="bucket") == DENIED
    block(acl, BlockPublicAcls=True)
    assert body(acl.nobody, "k") == b"x"  # what is there stays
    shown = acl.owner.get_object_acl(Bucket="bucket", Key="k")
    whole = {"Owner": shown["Owner"], "Grants": shown["Grants"]}
    everybody = f'uri="{ALL_USERS}"'
    for more in ({"ACL": "authenticated-read"}, {"GrantRead": everybody}, {"AccessControlPolicy": whole}):
        assert failure(acl.owner.put_object_acl, Bucket="bucket", Key="k", **more) == DENIED
        assert failure(acl.owner.put_bucket_acl, Bucket="bucket", **more) == DENIED
        if "AccessControlPolicy" not in more:
            assert failure(acl.owner.put_object, Bucket="bucket", Key="k", Body=b"", **more) == DENIED
    acl.owner.put_object_acl(Bucket="bucket", Key="k", ACL="private")
    acl.owner.delete_public_access_block(Bucket="bucket")
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="public-read")
    status = acl.owner.get_bucket_policy_status
    assert status(Bucket="bucket")["PolicyStatus"]["IsPublic"] is True
    block(acl, IgnorePublicAcls=True)
    assert status(Bucket="bucket")["PolicyStatus"]["IsPublic"] is False


def test_an_address_means_the_account_that_has_it_when_it_is_granted(acl: Accounts) -> None:
    acl.owner.put_object(Bucket="bucket", Key="k", Body=b"x", GrantRead='emailAddress="OTHER@example.com"')
    assert body(acl.other, "k") == b"x"
    acl.office.admin.update_account("other", email="")
    acl.office.admin.update_account("writer", email="other@example.com")
    assert failure(acl.writer.get_object, Bucket="bucket", Key="k") == DENIED
    assert grants(acl.owner.get_object_acl(Bucket="bucket", Key="k")) == [(acl.other_id, "READ")]
    unknown = failure(
        acl.owner.put_object_acl, Bucket="bucket", Key="k", GrantRead='emailAddress="no@example.com"'
    )
    assert unknown == ("UnresolvableGrantByEmailAddress", 400)
    for grantee in ('id="' + "f" * 64 + '"', 'uri="http://example.com/Everybody"'):
        given = failure(acl.owner.put_object_acl, Bucket="bucket", Key="k", GrantRead=grantee)
        assert given == ("InvalidArgument", 400)


def test_a_copy_has_an_acl_of_its_own(acl: Accounts) -> None:
    acl.owner.put_object(Bucket="bucket", Key="open", Body=b"x", ACL="public-read")
    acl.owner.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/open")
    assert grants(acl.owner.get_object_acl(Bucket="bucket", Key="copy")) == [(acl.owner_id, "FULL_CONTROL")]
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="copy") == DENIED
    acl.owner.copy_object(
        Bucket="bucket", Key="open", CopySource="bucket/open", MetadataDirective="REPLACE"
    )
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="open") == DENIED
    acl.owner.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/open", ACL="public-read")
    assert body(acl.nobody, "copy") == b"x"
    acl.owner.put_object(Bucket="bucket", Key="open", Body=b"y")  # so has what replaces it
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="open") == DENIED


def test_directory_objects_have_acls_too(acl: Accounts) -> None:
    acl.writer.put_object(Bucket="bucket", Key="d/", Body=b"", ACL="public-read")
    acl.writer.put_object(Bucket="bucket", Key="full/", Body=b"x", ACL="public-read")
    assert body(acl.nobody, "d/") == b"" and body(acl.nobody, "full/") == b"x"
    for key in ("d/", "full/"):
        acl.writer.put_object_acl(Bucket="bucket", Key=key, ACL="private")
        assert failure(acl.nobody.get_object, Bucket="bucket", Key=key) == DENIED
        assert acl.writer.get_object_acl(Bucket="bucket", Key=key)["Owner"]["ID"] == acl.writer_id


def test_a_hundred_grants_are_kept(acl: Accounts) -> None:
    """They do not fit beside the inode."""
    rights = ("READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL")
    who = [acl.owner_id, acl.writer_id, acl.other_id]
    for number in range(17):
        acl.office.admin.add_account(f"more{number}")
    who += [canonical_id(acl.office.identities.store_id, f"more{number}") for number in range(17)]
    rows = [
        {"Grantee": {"Type": "CanonicalUser", "ID": account}, "Permission": right}
        for account in who for right in rights
    ]
    acl.owner.put_object(Bucket="bucket", Key="k", Body=b"x", Metadata={"m": "v"}, Tagging="a=b")
    policy = {"Owner": {"ID": acl.owner_id}, "Grants": rows}
    acl.owner.put_object_acl(Bucket="bucket", Key="k", AccessControlPolicy=policy)
    shown = acl.owner.get_object_acl(Bucket="bucket", Key="k")
    assert len(rows) == 100
    assert grants(shown) == [(row["Grantee"]["ID"], row["Permission"]) for row in rows]
    assert acl.other.head_object(Bucket="bucket", Key="k")["Metadata"] == {"m": "v"}
    policy["Grants"] = [*rows, rows[0]]
    more = failure(acl.owner.put_object_acl, Bucket="bucket", Key="k", AccessControlPolicy=policy)
    assert more == ("MalformedACLError", 400)


# ---- what POSIX makes of it
def test_regression_a_record_that_was_copied_grants_nothing(acl: Accounts) -> None:
    acl.writer.put_object(Bucket="bucket", Key="open", Body=b"x", ACL="public-read")
    acl.owner.create_bucket(Bucket="second", ObjectOwnership="ObjectWriter")
    source = acl.root / "bucket" / "open"
    record = os.getxattr(source, "user.weka.object")
    for place in ("bucket/copy", "second/copy"):  # as by cp -a below the service's own directory
        target = acl.root / place
        shutil.copyfile(source, target)
        os.setxattr(target, "user.weka.object", record)
    os.rename(source, acl.root / "second" / "moved")
    for bucket, key in (("bucket", "copy"), ("second", "copy"), ("second", "moved")):
        shown = acl.owner.get_object_acl(Bucket=bucket, Key=key)
        assert shown["Owner"]["ID"] == acl.owner_id
        assert grants(shown) == [(acl.owner_id, "FULL_CONTROL")]
        assert failure(acl.nobody.get_object, Bucket=bucket, Key=key) == DENIED
        assert failure(acl.writer.get_object, Bucket=bucket, Key=key) == DENIED


def test_what_posix_makes_is_the_buckets_owners_and_private(acl: Accounts) -> None:
    (acl.root / "bucket" / "file").write_bytes(b"x")
    acl.owner.put_object(Bucket="bucket", Key="open", Body=b"x", ACL="public-read")
    os.rename(acl.root / "bucket" / "open", acl.root / "bucket" / "renamed")
    (acl.root / "bucket" / "renamed").write_bytes(b"longer")
    assert body(acl.nobody, "renamed") == b"longer"  # the same file: whoever published it did so for good
    assert failure(acl.nobody.get_object, Bucket="bucket", Key="file") == DENIED
    assert acl.owner.get_object_acl(Bucket="bucket", Key="file")["Owner"]["ID"] == acl.owner_id


def test_a_bucket_that_is_made_again_has_no_acl(acl: Accounts) -> None:
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="public-read-write")
    acl.owner.delete_bucket(Bucket="bucket")
    acl.owner.create_bucket(Bucket="bucket")
    assert failure(acl.nobody.list_objects_v2, Bucket="bucket") == DENIED
    assert grants(acl.owner.get_bucket_acl(Bucket="bucket")) == [(acl.owner_id, "FULL_CONTROL")]


def test_enforcing_ownership_takes_all_acls_out_of_force(acl: Accounts) -> None:
    acl.writer.put_object(Bucket="bucket", Key="k", Body=b"x", ACL="public-read")
    acl.owner.put_bucket_acl(Bucket="bucket", ACL="private")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    acl.owner.put_bucket_ownership_controls(Bucket="bucket", OwnershipControls=rules)
    assert body(acl.owner, "k") == b"x"
    for client in (acl.writer, acl.nobody):
        assert failure(client.get_object, Bucket="bucket", Key="k") == DENIED
    assert acl.owner.get_object_acl(Bucket="bucket", Key="k")["Owner"]["ID"] == acl.owner_id
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    acl.owner.put_bucket_ownership_controls(Bucket="bucket", OwnershipControls=rules)
    assert body(acl.nobody, "k") == b"x"  # and back: they are as they were


def test_policies_may_ask_for_acls(acl: Accounts) -> None:
    everybody = {**statement("Allow", "s3:PutObject", "bucket/*"), "Principal": {"AWS": acl.other_id}}
    left = {
        **statement("Deny", "s3:PutObject", "bucket/*"), "Principal": {"AWS": acl.other_id},
        "Condition": {"StringNotEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
    }  # fmt: skip
    public = {
        **statement("Deny", "s3:PutObject", "bucket/*"), "Principal": "*",
        "Condition": {"StringLike": {"s3:x-amz-grant-read": "*AllUsers*"}},
    }  # fmt: skip
    acl.owner.put_bucket_policy(Bucket="bucket", Policy=document(everybody, left, public))
    assert failure(acl.other.put_object, Bucket="bucket", Key="k", Body=b"") == DENIED
    acl.other.put_object(Bucket="bucket", Key="k", Body=b"", ACL="bucket-owner-full-control")
    given = failure(acl.owner.put_object, Bucket="bucket", Key="k", Body=b"", GrantRead=f"uri={ALL_USERS}")
    assert given == DENIED


def test_to_give_an_object_an_acl_is_a_right_of_its_own(acl: Accounts) -> None:
    only = document(statement("Allow", ["s3:PutObject", "s3:CreateBucket"], "*"))
    puts = acl.office.user("puts", only, account="owner")
    puts.put_object(Bucket="bucket", Key="k", Body=b"x", ACL="private")
    assert failure(puts.put_object, Bucket="bucket", Key="k", Body=b"x", ACL="public-read") == DENIED
    assert failure(puts.create_bucket, Bucket="third", ACL="public-read") == DENIED
    assert failure(puts.create_bucket, Bucket="third", ObjectOwnership="ObjectWriter") == DENIED


def test_a_grant_to_an_account_is_handed_on_by_its_policies(acl: Accounts) -> None:
    none = acl.office.user("none", account="other")
    acl.owner.put_object(Bucket="bucket", Key="k", Body=b"x", GrantRead=f"id={acl.other_id}")
    assert failure(none.get_object, Bucket="bucket", Key="k") == DENIED
    assert body(acl.other, "k") == b"x"


def test_new_buckets_may_have_acls_by_default(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    with accounts(root, ownership="ObjectWriter") as acl:
        acl.owner.create_bucket(Bucket="bucket", ACL="public-read")
        shown = acl.owner.get_bucket_ownership_controls(Bucket="bucket")["OwnershipControls"]
        assert shown["Rules"] == [{"ObjectOwnership": "ObjectWriter"}]
        assert acl.nobody.list_objects_v2(Bucket="bucket")["KeyCount"] == 0
        acl.owner.create_bucket(Bucket="plain", ObjectOwnership="BucketOwnerEnforced")
        assert failure(acl.owner.put_bucket_acl, Bucket="plain", ACL="public-read") == NOT_SUPPORTED
        (root / "made").mkdir()  # not by CreateBucket
        rules = acl.office.endpoint.client().get_bucket_ownership_controls(Bucket="made")["OwnershipControls"]
        assert rules["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
