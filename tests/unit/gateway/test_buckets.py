"""CreateBucket where the name is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from weka_mp.errors import BucketExists
from weka_mp.gateway.buckets import create_bucket
from weka_mp.gateway.context import Context, Site
from weka_mp.s3 import operations as op
from weka_mp.s3.errors import S3Error


def test_in_the_classic_region_a_bucket_is_made_again_and_told_again(context: Context) -> None:
    reply = create_bucket(context, op.CreateBucket("bucket", None))
    assert reply.status == 200
    # Whoever made it may have died before it told the mounts.
    assert [change.name for change in reply.changes] == [b"bucket"]


def test_elsewhere_it_is_refused(context: Context) -> None:
    site = Site(context.namespace, "eu-west-1", context.site.account)
    with pytest.raises(BucketExists):
        create_bucket(replace(context, site=site), op.CreateBucket("bucket", "eu-west-1"))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_directory_never_passes_for_a_bucket(context: Context, kind: str) -> None:
    store = context.namespace.store
    if kind == "file":
        store.close(store.open_file(store.root(), b"taken", 0o102, 0o644))
    else:
        store.symlink(b"bucket", store.root(), b"taken")
    with pytest.raises(S3Error) as caught:
        create_bucket(context, op.CreateBucket("taken", None))
    assert (caught.value.code, caught.value.status) == ("BucketAlreadyExists", 409)
