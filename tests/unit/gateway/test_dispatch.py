"""Every built operation has a way to its function."""

from typing import get_args

from weka_mp.gateway import dispatch
from weka_mp.s3 import operations as op

WITH_A_BODY_OF_BYTES = {op.GetObject, op.PutObject, op.UploadPart, op.PostObject, op.SelectObjectContent}


def test_every_built_operation_is_answered():
    assert set(dispatch._ANSWERS) | WITH_A_BODY_OF_BYTES == set(get_args(op.Operation))
    assert not set(dispatch._ANSWERS) & WITH_A_BODY_OF_BYTES


def test_what_runs_inline_changes_nothing():
    assert {kind.__name__ for kind in dispatch.INLINE} == {"HeadObject", "HeadBucket", "GetBucketLocation"}
